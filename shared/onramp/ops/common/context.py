"""The context of an operator command: one deployed stack, found through its outputs, and the AWS clients.

`--stack NAME` or ONRAMP_STACK names a stack of the account; without either, the file of the local stack in the current
directory is used, if there is one. `--profile`, `--region` and AWS_ENDPOINT_URL work as with every AWS tool.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from onramp.adapters.profiles import ProfileTable
from onramp.adapters.users import UserTable
from onramp.ops.common.audit_log import AuditEntry, AuditLog
from onramp.ops.common.errors import UsageError
from onramp.ops.common.output import Output
from onramp.ops.tables.audit import AuditTable
from onramp.wiring.clients import now_millis

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.client import CloudFormationClient
    from mypy_boto3_cloudwatch.client import CloudWatchClient
    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_events.client import EventBridgeClient
    from mypy_boto3_kms.client import KMSClient
    from mypy_boto3_lambda.client import LambdaClient
    from mypy_boto3_logs.client import CloudWatchLogsClient
    from mypy_boto3_sns.client import SNSClient
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_ssm.client import SSMClient
    from mypy_boto3_sts.client import STSClient

LOCAL_FILE = Path(".onramp", "local.json")
NO_STACK = (
    "no stack is named, and none runs in this directory: start one with `onramp local up` (in a second terminal),"
    " or name one with --stack NAME or ONRAMP_STACK."
)
CONFIG = Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard"},
    max_pool_connections=32,
    parameter_validation=False,  # AWS validates too; a second validation here costs a sixth of a long run
)


def tune_for_long_runs() -> None:
    """Raises the threshold of the garbage collector: its passes over the SDK's models cost 10 % of a long run."""
    gc.set_threshold(10_000)


@dataclass
class OperatorContext:
    """`now` gives Unix milliseconds, `monotonic` seconds; `sleep` takes seconds. Tests replace them and the clients."""

    out: Output
    stack_name: str | None = None
    profile: str | None = None
    region: str | None = None
    now: Callable[[], int] = now_millis
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    threads: Callable[[int], Executor] = ThreadPoolExecutor
    clients: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def local(self) -> dict[str, Any] | None:
        """The contents of the local stack's file, where no stack is named."""
        if self.stack_name or not LOCAL_FILE.is_file():
            return None
        try:
            state: dict[str, Any] = json.loads(LOCAL_FILE.read_text())
        except ValueError:
            raise UsageError(f"{LOCAL_FILE} cannot be read: start the stack again with `onramp local up`.") from None
        return state

    @cached_property
    def session(self) -> boto3.Session:
        if self.local:
            return boto3.Session("test", "test", region_name=self.local["region"])
        if not self.stack_name:  # before the session asks for a region or for credentials
            raise UsageError(NO_STACK)
        return boto3.Session(profile_name=self.profile, region_name=self.region)

    @overload
    def client(self, service: Literal["cloudformation"]) -> CloudFormationClient: ...
    @overload
    def client(self, service: Literal["cloudwatch"]) -> CloudWatchClient: ...
    @overload
    def client(self, service: Literal["cognito-idp"]) -> CognitoIdentityProviderClient: ...
    @overload
    def client(self, service: Literal["dynamodb"]) -> DynamoDBClient: ...
    @overload
    def client(self, service: Literal["events"]) -> EventBridgeClient: ...
    @overload
    def client(self, service: Literal["kms"]) -> KMSClient: ...
    @overload
    def client(self, service: Literal["lambda"]) -> LambdaClient: ...
    @overload
    def client(self, service: Literal["logs"]) -> CloudWatchLogsClient: ...
    @overload
    def client(self, service: Literal["sns"]) -> SNSClient: ...
    @overload
    def client(self, service: Literal["sqs"]) -> SQSClient: ...
    @overload
    def client(self, service: Literal["ssm"]) -> SSMClient: ...
    @overload
    def client(self, service: Literal["sts"]) -> STSClient: ...
    def client(self, service: str) -> object:
        """One client for each service, made when it is first used."""
        if service not in self.clients:
            endpoint = self.local["endpoint"] if self.local else None
            session: Any = self.session  # its stubs have an overload for each literal name only
            self.clients[service] = session.client(service, endpoint_url=endpoint, config=CONFIG)
        return self.clients[service]

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        if self.local:
            outputs: dict[str, str] = self.local["outputs"]
            return outputs
        return self._stack["outputs"]

    @cached_property
    def parameters(self) -> Mapping[str, str]:
        """The parameter values that the stack was deployed with."""
        return self._stack["parameters"]

    @cached_property
    def name(self) -> str:
        """The stack's name. Raises UsageError where none is given."""
        name = self.stack_name or ("onramp-local" if self.local else None)
        if not name:
            raise UsageError(NO_STACK)
        return name

    @cached_property
    def _stack(self) -> dict[str, dict[str, str]]:
        try:
            (stack,) = self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        except ClientError as error:
            if error.response["Error"].get("Code") == "ValidationError":
                raise UsageError(
                    f"there is no stack '{self.name}' in {self.session.region_name}: check --stack and --region."
                ) from error
            raise
        return {
            "outputs": {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])},
            "parameters": {entry["ParameterKey"]: entry["ParameterValue"] for entry in stack.get("Parameters", [])},
        }

    def output(self, name: str) -> str:
        """A stack output. Raises UsageError where the stack has no output of that name: it is not an Onramp stack."""
        if name not in self.outputs:
            raise UsageError(f"the stack has no output {name}: it is not an Onramp stack, or one of another version.")
        return self.outputs[name]

    @cached_property
    def users(self) -> UserTable:
        return UserTable(self.client("dynamodb"), self.output("UsersTableName"))

    @cached_property
    def profiles(self) -> ProfileTable:
        return ProfileTable(self.client("dynamodb"), self.output("UserProfilesTableName"))

    @contextmanager
    def audited(self, what: str, **details: str) -> Iterator[AuditEntry]:
        """Writes an audit row before the work and its result after it: a crash in between leaves `started`."""
        table = AuditTable(self.client("dynamodb"), self.output("OperationsTableName"))
        with AuditLog(table, self.caller).entry(what, details) as entry:
            yield entry

    def audit_reveal(self, command: str, *, reveal: bool, **details: str) -> AbstractContextManager[AuditEntry]:
        """Personal data is shown only with a row in the audit log; its count is the number of users or letters."""
        return self.audited(f"reveal {command}", **details) if reveal else nullcontext(AuditEntry())

    @cached_property
    def caller(self) -> str:
        """The ARN of the operator's credentials."""
        return str(self.client("sts").get_caller_identity()["Arn"])
