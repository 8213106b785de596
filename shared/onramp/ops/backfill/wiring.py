"""The parts of `onramp backfill`, from the stack."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Self

from onramp.adapters.cognito import UserPools
from onramp.adapters.eventbridge import EventBus
from onramp.adapters.pacing import TokenBucket
from onramp.adapters.tombstones import Tombstones
from onramp.adapters.users import UserTable
from onramp.ops.backfill.batch_publisher import BatchPublisher
from onramp.ops.backfill.page_reader import PageReader
from onramp.ops.backfill.page_writer import PageWriter
from onramp.ops.backfill.record_index import RecordIndex
from onramp.ops.backfill.refusals import RefusalsFile
from onramp.ops.backfill.run import Backfill
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.deployed_rules import DeployedRules, deployed_rules
from onramp.ops.common.queue_room import QueueRoom, never, say_nothing
from onramp.ops.tables.backfill_checkpoints import BackfillCheckpoints
from onramp.usecases.signup import SignUp

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient


@dataclass(frozen=True, slots=True)
class BackfillWiring:
    rules: DeployedRules
    pool: UserPools
    users: UserTable
    tombstones: Tombstones
    checkpoints: BackfillCheckpoints
    bus: EventBus
    sqs: SQSClient
    provisioning_queue: str
    read_index: Callable[[], RecordIndex]
    now: Callable[[], int]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    threads: Callable[[int], Executor]

    @classmethod
    def of(cls, context: OperatorContext) -> Self:
        dynamodb, operations = context.client("dynamodb"), context.output("OperationsTableName")
        return cls(
            rules=deployed_rules(context),
            pool=UserPools(context.client("cognito-idp")),
            users=context.users,
            tombstones=Tombstones(dynamodb, operations),
            checkpoints=BackfillCheckpoints(dynamodb, operations),
            bus=EventBus(context.client("events"), context.output("EventBusName")),
            sqs=context.client("sqs"),
            provisioning_queue=context.output("ProvisioningQueueUrl"),
            read_index=partial(RecordIndex.read, dynamodb, context.output("UsersTableName")),
            now=context.now,
            monotonic=context.monotonic,
            sleep=context.sleep,
            threads=context.threads,
        )

    def batch_publisher(self) -> BatchPublisher:
        return BatchPublisher(self.bus, self.tombstones.among)

    def queue_room(
        self, most: int, on_wait: Callable[[int], None] = say_nothing, is_stopped: Callable[[], bool] = never
    ) -> QueueRoom:
        return QueueRoom(
            self.sqs, self.provisioning_queue, most, self.monotonic, self.sleep, on_wait=on_wait, is_stopped=is_stopped
        )

    def backfill(
        self,
        pools: Sequence[str],
        publisher: BatchPublisher,
        refusals: RefusalsFile,
        *,
        rate: float,
        apply: bool,
        room: QueueRoom | None = None,
        is_stopped: Callable[[], bool] = never,
    ) -> Backfill:
        """`rate` in pages a second. `is_stopped`: True where the run is to end after the pages that have begun."""
        pace = TokenBucket(rate, 1, float("inf"), self.monotonic, self.sleep).take
        return Backfill(
            pools=pools,
            rules=f"{self.rules.fingerprint}|{','.join(pools)}",
            page_writer=partial(self._page_writer, publisher, room or self.queue_room(0), pace, apply, is_stopped),
            checkpoints=self.checkpoints if apply else None,
            refusals=refusals,
            clock=self.now,
            is_stopped=is_stopped,
        )

    def _page_writer(
        self,
        publisher: BatchPublisher,
        room: QueueRoom,
        pace: Callable[[], None],
        apply: bool,
        is_stopped: Callable[[], bool],
        started_at: int,
    ) -> PageWriter:
        """A new one for each attempt: its index is a snapshot."""
        settled_before = self.now() - self.rules.grace
        index = self.read_index()
        return PageWriter(
            reader=PageReader(self.pool, self.users, self.tombstones, settled_before, pace, self.sleep, self.threads),
            index=index,
            admission=self.rules.admission,
            sign_up=SignUp(self.users, publisher) if apply else None,
            publisher=publisher,
            room=room,
            correlation_id=f"backfill-{uuid.uuid4()}",
            started_at=started_at,
            clock=self.now,
            threads=self.threads,
            is_stopped=is_stopped,
        )
