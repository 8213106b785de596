"""LocalStack: the whole pipeline on this machine, as a context manager.

with LocalStack.start() as stack:
    stack.client("cognito-idp").sign_up(ClientId=stack.outputs["UserPoolClientId"], ...)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from botocore.config import Config

import onramp
from onramp.local.deploy import deploy
from onramp.local.gateway.app import FAKES
from onramp.local.gateway.aws import ACCESS_KEY
from onramp.local.gateway.control import GatewayControl
from onramp.local.logs import function_logs
from onramp.local.parameters import REGION
from onramp.local.process import ServerProcess
from onramp.local.sessions import local_session

if TYPE_CHECKING:
    from types import TracebackType

    import boto3

ROOT = Path(onramp.__file__).resolve().parents[2]


class LocalStack:
    """A running, deployed stack. Made by `LocalStack.start`, ended by `stop` or the end of the `with` block."""

    def __init__(self, server: ServerProcess, region: str, fakes: Mapping[str, str | None]) -> None:
        self.endpoint = server.endpoint
        self.region = region
        self.fakes = {name: url or f"{self.endpoint}{FAKES}{name}" for name, url in fakes.items()}
        self.outputs: dict[str, str] = {}
        self.control = GatewayControl(self.endpoint)
        self.server = server
        self._clients: dict[str, Any] = {}

    @classmethod
    def start(
        cls,
        port: int = 0,
        *,
        enforce_iam: bool = False,
        stripe_url: str | None = None,
        revenuecat_url: str | None = None,
        parameters: Mapping[str, str] | None = None,
        template: Path = ROOT / "template.yaml",
    ) -> LocalStack:
        """`port` 0 takes a free one; `parameters` go over the local ones of parameters.py."""
        server = ServerProcess.start(port, REGION, enforce_iam=enforce_iam)
        stack = cls(server, REGION, {"stripe": stripe_url, "revenuecat": revenuecat_url})
        try:
            stack.outputs = deploy(stack, template, parameters)
        except BaseException:
            stack.stop()
            raise
        return stack

    def stop(self) -> None:
        """Ends every process of the stack. Harmless when called again."""
        for client in self._clients.values():
            client.close()
        self.server.stop()

    def wait(self) -> None:
        """Until the server ends, which it does by itself only when something is wrong."""
        self.server.wait()

    def session(self) -> boto3.Session:
        """Credentials and region; the endpoint must be given to each client, or set AWS_ENDPOINT_URL."""
        return local_session(self.region)

    def client(self, service: str) -> Any:
        """A boto3 client on this stack, one for each service."""
        if service not in self._clients:
            # One attempt, or a test would not see its fault; no proxy, for the way is short.
            config = Config(connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 1}, proxies={})
            self._clients[service] = self.session().client(
                service,
                endpoint_url=self.endpoint,
                config=config,  # type: ignore[call-overload]
            )
        return self._clients[service]

    def logs(self) -> list[str]:
        """Every line that the functions have written, oldest first in each log stream."""
        return function_logs(self.client("logs"))

    def environment(self) -> dict[str, str]:
        """What a shell or a child process needs to talk to this stack with any AWS client."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
