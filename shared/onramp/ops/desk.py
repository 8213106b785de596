"""The operator's desk: one deployed stack, found through its outputs, and everything a command needs of it.

`--stack NAME` or ONRAMP_STACK names a stack of the account; without either, the local stack's file in this directory is
taken, if there is one. `--profile`, `--region` and AWS_ENDPOINT_URL work as with every AWS tool.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from onramp.adapters.profiles import ProfileTable
from onramp.adapters.users import UserTable
from onramp.ops.audit import AuditEntry, AuditLog
from onramp.ops.errors import DeskError
from onramp.ops.output import Output

LOCAL_FILE = Path(".onramp", "local.json")
CONFIG = Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard"},
    max_pool_connections=32,
    parameter_validation=False,  # AWS validates too; doing it here as well is a sixth of a long run
)


def prepare_for_long_work() -> None:
    """Looking through the SDK's models for rubbish again and again costs a tenth of a long run, in vain."""
    gc.set_threshold(10_000)


@dataclass
class Desk:
    out: Output
    stack_name: str | None = None
    profile: str | None = None
    region: str | None = None
    command: str = ""
    _clients: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def local(self) -> dict[str, Any] | None:
        """The local stack's file, where no stack is named."""
        if self.stack_name or not LOCAL_FILE.is_file():
            return None
        try:
            state: dict[str, Any] = json.loads(LOCAL_FILE.read_text())
        except ValueError:
            raise DeskError(f"{LOCAL_FILE} cannot be read: start the stack again with `onramp local up`.") from None
        return state

    @cached_property
    def session(self) -> boto3.Session:
        if self.local:
            return boto3.Session("test", "test", region_name=self.local["region"])
        return boto3.Session(profile_name=self.profile, region_name=self.region)

    def client(self, service: str) -> Any:
        if service not in self._clients:
            endpoint = self.local["endpoint"] if self.local else None
            self._clients[service] = self.session.client(service, endpoint_url=endpoint, config=CONFIG)  # type: ignore[call-overload]
        return self._clients[service]

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        if self.local:
            outputs: dict[str, str] = self.local["outputs"]
            return outputs
        return self._stack["outputs"]

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """The values the stack was deployed with."""
        return self._stack["parameters"]

    @cached_property
    def name(self) -> str:
        """The stack's name. Raises DeskError where there is none."""
        name = self.stack_name or ("onramp-local" if self.local else None)
        if not name:
            raise DeskError("which stack? Name it with --stack or ONRAMP_STACK, or start one with `onramp local up`.")
        return name

    @cached_property
    def _stack(self) -> dict[str, dict[str, str]]:
        try:
            (stack,) = self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        except ClientError as error:
            if error.response["Error"].get("Code") == "ValidationError":
                raise DeskError(
                    f"there is no stack '{self.name}' in {self.session.region_name}: check --stack and --region."
                ) from error
            raise
        return {
            "outputs": {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])},
            "parameters": {entry["ParameterKey"]: entry["ParameterValue"] for entry in stack.get("Parameters", [])},
        }

    def output(self, name: str) -> str:
        """A stack output. Raises DeskError where the stack has none of that name: it is no Onramp stack."""
        if name not in self.outputs:
            raise DeskError(f"the stack has no output {name}: is it an Onramp stack, deployed from this version?")
        return self.outputs[name]

    @cached_property
    def users(self) -> UserTable:
        return UserTable(self.client("dynamodb"), self.output("UsersTableName"))

    @cached_property
    def profiles(self) -> ProfileTable:
        return ProfileTable(self.client("dynamodb"), self.output("UserProfilesTableName"))

    @contextmanager
    def audited(self, what: str, **details: str) -> Iterator[AuditEntry]:
        """Writes a row before anything is done and how it ended after: a crash in between stands there as `started`."""
        log = AuditLog(self.client("dynamodb"), self.output("OperationsTableName"), self._who)
        with log.entry(what, details) as entry:
            yield entry

    @cached_property
    def _who(self) -> str:
        return str(self.client("sts").get_caller_identity()["Arn"])

    @staticmethod
    def now() -> int:
        """Unix milliseconds."""
        return time.time_ns() // 1_000_000
