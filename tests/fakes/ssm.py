"""SSM Parameter Store with the one operation that secrets need: GetParameter of SecureStrings."""

from collections.abc import Mapping

from tests.fakes.client import ACCOUNT, REGION, Clock, FakeClient, Reply, Request, operation


class FakeSsm(FakeClient):
    service = "ssm"

    def __init__(self, parameters: Mapping[str, str], clock: Clock, *, validate: bool = True) -> None:
        super().__init__(clock, validate=validate)
        self._versions: dict[str, list[str]] = {}
        for name, value in parameters.items():
            self.set(name, value)

    def set(self, name: str, value: str) -> None:
        """Creates the parameter, or adds a new version."""
        with self._lock:
            self._versions.setdefault(name, []).append(value)

    def remove(self, name: str) -> None:
        with self._lock:
            del self._versions[name]

    @operation("Name WithDecryption")
    def get_parameter(self, request: Request) -> Reply:
        """By name or ARN. Without decryption the value is a ciphertext: code that omits it sends no valid key."""
        name = request["Name"].partition(":parameter")[2] or request["Name"]
        versions = self._versions.get(name)
        if versions is None:
            raise self.error("get_parameter", "ParameterNotFound", "")
        clear = versions[-1] if request.get("WithDecryption") else f"kms:{name}:{len(versions)}"
        parameter = {
            "Name": name,
            "Type": "SecureString",
            "Value": clear,
            "Version": len(versions),
            "LastModifiedDate": self.now(),
            "ARN": f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/{name.removeprefix('/')}",
            "DataType": "text",
        }
        return {"Parameter": parameter}
