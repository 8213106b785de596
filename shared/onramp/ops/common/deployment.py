"""The stack as the commands that examine it see it: clients, outputs, parameters, and what many read, read once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Protocol

import urllib3

from onramp.adapters.owed import OwedIndex
from onramp.domain.users import Owed
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.owed_counts import OwedCount, count_owed

LIVE = "live"


class Http(Protocol):
    """What is used of urllib3's PoolManager."""

    def request(self, method: str, url: str, **more: Any) -> urllib3.BaseHTTPResponse: ...


class Resource(NamedTuple):
    kind: str
    id: str


class Alias(NamedTuple):
    """`arn:aws:lambda:eu-west-1:123456789012:function:onramp-PostConfirmation:live`, taken apart."""

    arn: str
    partition: str
    region: str
    account: str


@dataclass
class Deployment:
    """`client` makes boto3 clients; `now` is in Unix milliseconds."""

    name: str
    client: Any
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]
    now: Callable[[], int]
    http: Http
    _functions: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    _queues: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, context: OperatorContext) -> Deployment:
        """Reads the stack at once: without it there is nothing to examine. Raises DeskError."""
        context.output("PostConfirmationFunctionName")
        http = urllib3.PoolManager(timeout=urllib3.Timeout(connect=3.0, read=8.0), retries=False)
        return cls(context.name, context.client, context.outputs, context.parameters, context.now, http)

    @cached_property
    def resources(self) -> Mapping[str, Resource]:
        """By logical id."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.name)
        return {
            entry["LogicalResourceId"]: Resource(entry["ResourceType"], entry.get("PhysicalResourceId", ""))
            for page in pages
            for entry in page["StackResourceSummaries"]
        }

    def resource(self, logical_id: str) -> str:
        """Its physical id; "" where the stack has none. A rule's is `bus|name` on AWS, its name alone elsewhere."""
        return self.resources.get(logical_id, Resource("", "")).id.rpartition("|")[2]

    def function(self, output: str, qualifier: str = LIVE) -> dict[str, Any]:
        """The configuration of a version; `$LATEST` is what the stack last put there."""
        name = self.outputs[output]
        if (name, qualifier) not in self._functions:
            reply = self.client("lambda").get_function_configuration(FunctionName=name, Qualifier=qualifier)
            self._functions[name, qualifier] = reply
        return self._functions[name, qualifier]

    def settings(self, output: str) -> dict[str, str]:
        """The environment with which the function runs."""
        return dict(self.function(output).get("Environment", {}).get("Variables", {}))

    @cached_property
    def trigger(self) -> Alias:
        """The alias that a pool is to name."""
        name = self.outputs["PostConfirmationFunctionName"]
        arn = self.client("lambda").get_alias(FunctionName=name, Name=LIVE)["AliasArn"]
        _, partition, _, region, account, _ = arn.split(":", 5)
        return Alias(arn, partition, region, account)

    def pool_arn(self, pool: str) -> str:
        alias = self.trigger
        return f"arn:{alias.partition}:cognito-idp:{alias.region}:{alias.account}:userpool/{pool}"

    @property
    def pools(self) -> list[str]:
        """The ids of the pools that the trigger accepts, the stack's own first."""
        listed = self.settings("PostConfirmationFunctionName").get("USER_POOL_IDS", "").split(",")
        accepted = [entry.strip().rpartition("/")[2] for entry in listed if entry.strip()]
        return list(dict.fromkeys([self.outputs["UserPoolId"], *accepted]))

    def queue(self, output: str) -> dict[str, str]:
        """The attributes of a queue."""
        if output not in self._queues:
            reply = self.client("sqs").get_queue_attributes(QueueUrl=self.outputs[output], AttributeNames=["All"])
            self._queues[output] = reply["Attributes"]
        return self._queues[output]

    @cached_property
    def debts(self) -> Mapping[Owed, OwedCount]:
        """What is owed, by kind."""
        return count_owed(OwedIndex(self.client("dynamodb"), self.outputs["UsersTableName"]))

    def deploy_with(self, **parameters: str) -> str:
        """The command that changes parameters of the stack."""
        given = " ".join(f"{name}={value}" for name, value in parameters.items())
        return f"make deploy STACK={self.name}" + (f' PARAMETERS="{given}"' if given else "")
