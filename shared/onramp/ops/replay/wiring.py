"""The parts of `onramp replay`, from the stack."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from onramp.adapters.eventbridge import EventBus
from onramp.adapters.pacing import TokenBucket
from onramp.adapters.tombstones import Tombstones
from onramp.domain.users import User
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.queue_room import QueueRoom, say_nothing
from onramp.ops.replay.archive import Replays
from onramp.ops.replay.records import CurrentUsers, LinkedRecords
from onramp.ops.replay.table import Emission
from onramp.ops.tables.replay_checkpoints import ReplayCheckpoints
from onramp.usecases.batches import PUT_EVENTS

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient


@dataclass(frozen=True, slots=True)
class ReplayWiring:
    """`bus_name`: the stack's event bus."""

    bus_name: str
    bus: EventBus
    sqs: SQSClient
    provisioning_queue: str
    replays: Replays
    records: LinkedRecords
    current: CurrentUsers
    checkpoints: ReplayCheckpoints
    now: Callable[[], int]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]

    @classmethod
    def of(cls, context: OperatorContext) -> Self:
        operations = context.output("OperationsTableName")
        dynamodb, events, bus = context.client("dynamodb"), context.client("events"), context.output("EventBusName")
        return cls(
            bus_name=bus,
            bus=EventBus(events, bus),
            sqs=context.client("sqs"),
            provisioning_queue=context.output("ProvisioningQueueUrl"),
            replays=Replays(events),
            records=LinkedRecords(dynamodb, context.output("UsersTableName"), context.profiles),
            current=CurrentUsers(context.users, Tombstones(dynamodb, operations)),
            checkpoints=ReplayCheckpoints(dynamodb, operations),
            now=context.now,
            monotonic=context.monotonic,
            sleep=context.sleep,
        )

    def emission(
        self,
        rate: float,
        max_queue: int,
        on_wait: Callable[[int], None] = say_nothing,
        on_left_out: Callable[[User], None] = say_nothing,
    ) -> Emission:
        """`rate` in events a second, with bursts of one PutEvents call.

        The rate bounds what SQS does not count yet. Most replayed users are provisioned: the worker acknowledges their
        messages at once, so the queue's length alone decides.
        """
        room = QueueRoom(
            self.sqs, self.provisioning_queue, max_queue, self.monotonic, self.sleep, settle_seconds=0, on_wait=on_wait
        )
        pace = TokenBucket(rate, PUT_EVENTS, float("inf"), self.monotonic, self.sleep).take
        return Emission(
            self.records,
            self.current,
            self.checkpoints,
            self.bus,
            pace,
            room.take,
            self.sleep,
            f"replay-{uuid.uuid4()}",
            on_left_out,
        )
