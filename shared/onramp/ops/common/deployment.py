"""One deployed stack, as the commands that examine it read it: each resource is described once."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import urllib3

from onramp.adapters.owed import PAGE, PAGES, OwedIndex
from onramp.adapters.profiles import ProfileTable
from onramp.adapters.users import UserTable
from onramp.domain.users import SHARDS, Owed
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.owed_users import Causes, OwedUsers
from onramp.ops.common.shell import make_command
from onramp.settings import pool_ids

if TYPE_CHECKING:
    from mypy_boto3_lambda.type_defs import FunctionConfigurationResponseTypeDef
    from mypy_boto3_sqs.literals import QueueAttributeNameType

LIVE = "live"
"""The alias of every function that callers name."""
SIGNED_UP_RULE = "UserSignedUpRule"
"""Logical id of the rule between the event bus and ProvisioningQueue."""

DEFAULT_ENVIRONMENT = "dev"
CONFIGURED_ENVIRONMENTS = ("prod",)
"""Of samconfig.toml, beside `dev`: that is what `default` deploys, too, with less deletion protection than it."""


class Http(Protocol):
    """The part of urllib3's PoolManager that is used."""

    def request(self, method: str, url: str, **options: Any) -> urllib3.BaseHTTPResponse: ...


class Resource(NamedTuple):
    kind: str
    physical_id: str


class Alias(NamedTuple):
    """The parts of `arn:aws:lambda:eu-west-1:123456789012:function:onramp-PostConfirmation:live`."""

    arn: str
    partition: str
    region: str
    account: str


@dataclass(frozen=True, slots=True)
class OwedCount:
    """Of one kind. `oldest` and `due` in Unix milliseconds, None where the count is 0; `at_least`: there are more."""

    count: int
    oldest: int | None
    due: int | None
    at_least: bool


class Deployment:
    """`client` makes typed boto3 clients; `now` gives Unix milliseconds."""

    def __init__(self, context: OperatorContext) -> None:
        self.client = context.client
        self.now = context.now
        self.name = context.name
        self.is_local = context.local is not None
        self.outputs = context.outputs
        self.parameters = context.parameters
        self._functions: dict[tuple[str, str], FunctionConfigurationResponseTypeDef] = {}
        self._queues: dict[str, Mapping[QueueAttributeNameType, str]] = {}

    @classmethod
    def of(cls, context: OperatorContext) -> Deployment:
        """Raises UsageError where there is no such stack, or it is not an Onramp stack."""
        context.output("PostConfirmationFunctionName")
        return cls(context)

    @cached_property
    def http(self) -> Http:
        """For one call to each provider. Without retries: a failure is a finding."""
        return urllib3.PoolManager(timeout=urllib3.Timeout(connect=3.0, read=8.0), retries=False)

    @cached_property
    def resources(self) -> Mapping[str, Resource]:
        """By logical id."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.name)
        return {
            entry["LogicalResourceId"]: Resource(entry["ResourceType"], entry.get("PhysicalResourceId", ""))
            for page in pages
            for entry in page["StackResourceSummaries"]
        }

    def physical_id(self, logical_id: str) -> str:
        """ "" where the stack has no such resource. A rule's id is `bus|name` on AWS and its name alone elsewhere."""
        return self.resources.get(logical_id, Resource("", "")).physical_id.rpartition("|")[2]

    def function(self, output: str, qualifier: str = LIVE) -> FunctionConfigurationResponseTypeDef:
        """The configuration of a version; `$LATEST` is the last deployed one."""
        name = self.outputs[output]
        if (name, qualifier) not in self._functions:
            reply = self.client("lambda").get_function_configuration(FunctionName=name, Qualifier=qualifier)
            self._functions[name, qualifier] = reply
        return self._functions[name, qualifier]

    def deployed_at(self, output: str) -> int:
        """When the live version of a function was published: Unix milliseconds."""
        return round(datetime.fromisoformat(self.function(output)["LastModified"]).timestamp() * 1000)

    def settings(self, output: str) -> dict[str, str]:
        """The environment variables of the live version."""
        return dict(self.function(output).get("Environment", {}).get("Variables", {}))

    @cached_property
    def trigger(self) -> Alias:
        """The alias that a user pool has to name."""
        name = self.outputs["PostConfirmationFunctionName"]
        arn = self.client("lambda").get_alias(FunctionName=name, Name=LIVE)["AliasArn"]
        _, partition, _, region, account, _ = arn.split(":", 5)
        return Alias(arn, partition, region, account)

    def pool_arn(self, pool: str) -> str:
        alias = self.trigger
        return f"arn:{alias.partition}:cognito-idp:{alias.region}:{alias.account}:userpool/{pool}"

    @property
    def accepted_pools(self) -> list[str]:
        """The ids of the pools whose users the live trigger accepts."""
        return pool_ids(self.settings("PostConfirmationFunctionName").get("USER_POOL_IDS", ""))

    @property
    def pools(self) -> list[str]:
        """The stack's own pool, then the accepted ones; each once."""
        return list(dict.fromkeys([self.outputs["UserPoolId"], *self.accepted_pools]))

    def queue(self, output: str) -> Mapping[QueueAttributeNameType, str]:
        """The attributes of a queue."""
        if output not in self._queues:
            reply = self.client("sqs").get_queue_attributes(QueueUrl=self.outputs[output], AttributeNames=["All"])
            self._queues[output] = reply["Attributes"]
        return self._queues[output]

    @cached_property
    def owed_counts(self) -> Mapping[Owed, OwedCount]:
        """Twelve queries where little is owed; of a long list the first 10,000 a shard are counted."""
        index = OwedIndex(self.client("dynamodb"), self.outputs["UsersTableName"])
        return {kind: _count(index, kind) for kind in Owed}

    @cached_property
    def owed_causes(self) -> Causes:
        """Why users wait or have failed: a sample of at most 200, in eight queries and their batch reads."""
        dynamodb, users = self.client("dynamodb"), self.outputs["UsersTableName"]
        profiles = ProfileTable(dynamodb, self.outputs["UserProfilesTableName"])
        return OwedUsers(dynamodb, users, UserTable(dynamodb, users), profiles).causes((Owed.ENRICH, Owed.OPERATOR))

    def deploy_command(self, **parameters: str) -> str:
        """The command that deploys the stack again, with these parameters changed and the others as they are.

        Without the environment `make deploy` would set the one of samconfig.toml's `default`.
        """
        if self.is_local:
            return "onramp local up  (a local stack is deployed by its start; it takes no other parameters)"
        variables = {"STACK": self.name}
        environment = self.parameters.get("Environment", DEFAULT_ENVIRONMENT)
        if environment in CONFIGURED_ENVIRONMENTS:
            variables["ENV"] = environment
        elif environment != DEFAULT_ENVIRONMENT:
            parameters = {"Environment": environment, **parameters}
        if parameters:
            variables["PARAMETERS"] = " ".join(_one_word(f"{name}={value}") for name, value in parameters.items())
        return make_command("deploy", **variables)


def _one_word(pair: str) -> str:
    """Quoted where scripts/deploy.py, which splits PARAMETERS as a shell does, would see two words or a quote."""
    return shlex.quote(pair) if any(char.isspace() or char in "'\"\\" for char in pair) else pair


def _count(index: OwedIndex, kind: Owed) -> OwedCount:
    shards = [index.of(kind, shard) for shard in range(SHARDS)]
    rows = [row for shard in shards for row in shard]
    return OwedCount(
        count=len(rows),
        oldest=min((row.owed_since for row in rows), default=None),
        due=min((row.due_at for row in rows), default=None),
        at_least=any(len(shard) >= PAGE * PAGES for shard in shards),
    )
