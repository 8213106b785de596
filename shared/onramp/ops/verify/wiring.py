"""The parts of `onramp verify`, from the stack."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, TypeVar

from onramp.adapters.profiles import ProfileTable
from onramp.adapters.users import UserTable
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.dead_letters import DeadLetterQueues
from onramp.ops.common.errors import UsageError
from onramp.ops.common.subcommand import Subcommand
from onramp.ops.tables.users import UserWrites
from onramp.ops.verify.cleanup import Cleanup
from onramp.ops.verify.erasing import SyntheticEraser
from onramp.ops.verify.event_tap import EventTap
from onramp.ops.verify.pool_users import PoolUsers, Refusal, SyntheticUser

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_events.client import EventBridgeClient
    from mypy_boto3_logs.client import CloudWatchLogsClient
    from mypy_boto3_sqs.client import SQSClient

T = TypeVar("T")
PREFIX = "onramp-verify"
"""Begins the name of everything that a run creates."""
POLL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class VerifyWiring:
    """`run` names one verification; `patience` is in seconds. `refusals`: what the trigger refused in this run."""

    run: str
    domain: str
    patience: float
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]
    pool: PoolUsers
    tap: EventTap
    users: UserTable
    records: UserWrites
    profiles: ProfileTable
    dead_letters: DeadLetterQueues
    dynamodb: DynamoDBClient
    events: EventBridgeClient
    logs: CloudWatchLogsClient
    sqs: SQSClient
    redrive: Subcommand
    erase: SyntheticEraser
    now: Callable[[], int]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    cleanup: Cleanup = field(default_factory=Cleanup)
    refusals: list[Refusal] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        context: OperatorContext,
        client_id: str,
        domain: str,
        patience: float,
        main: Callable[[Sequence[str]], object],
    ) -> Self:
        """`main` runs an `onramp` command. Raises UsageError where the stack has no app client and none is named."""
        client_id = client_id or context.outputs.get("UserPoolClientId", "")
        if not client_id:
            raise UsageError("the stack did not create the pool: name an app client of it, without a secret: --client.")
        run, events, sqs = uuid.uuid4().hex[:10], context.client("events"), context.client("sqs")
        return cls(
            run=run,
            domain=domain,
            patience=patience,
            outputs=context.outputs,
            parameters=context.parameters,
            pool=PoolUsers(context.client("cognito-idp"), context.output("UserPoolId"), client_id),
            tap=EventTap(events, sqs, context.output("EventBusName"), f"{PREFIX}-{run}"),
            users=context.users,
            records=UserWrites(context.client("dynamodb"), context.output("UsersTableName")),
            profiles=context.profiles,
            dead_letters=DeadLetterQueues.of(context),
            dynamodb=context.client("dynamodb"),
            events=events,
            logs=context.client("logs"),
            sqs=sqs,
            redrive=Subcommand(context, main, ("dlq", "redrive")),
            erase=SyntheticEraser(context, run),
            now=context.now,
            monotonic=context.monotonic,
            sleep=context.sleep,
        )

    def user(self, role: str) -> SyntheticUser:
        name = f"{PREFIX}-{self.run}-{role}"
        return SyntheticUser(f"{name}@{self.domain}", name)

    def wait_for(self, read: Callable[[], T | None], every: float = POLL_SECONDS) -> T | None:
        """Repeats `read` until its result is true, for at most `patience` seconds. Returns the last result."""
        until = self.monotonic() + self.patience
        while not (result := read()) and self.monotonic() < until:
            self.sleep(every)
        return result
