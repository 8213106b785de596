"""A backfill's parts, from the stack."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from onramp.adapters.cognito import UserPools
from onramp.adapters.eventbridge import EventBus
from onramp.adapters.pacing import TokenBucket
from onramp.adapters.tombstones import Tombstones
from onramp.adapters.users import UserTable
from onramp.ops.backfill.batch_publisher import BatchPublisher
from onramp.ops.backfill.page_reader import PageReader
from onramp.ops.backfill.page_writer import PageWriter
from onramp.ops.backfill.record_index import RecordIndex, linked
from onramp.ops.backfill.refusals import Refusals
from onramp.ops.backfill.run import Backfill
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.deployed_rules import DeployedRules
from onramp.ops.tables.backfill_checkpoints import BackfillCheckpoints
from onramp.usecases.signup import SignUp


@dataclass(frozen=True, slots=True)
class BackfillWiring:
    """What a backfill works with. Tests put their own in."""

    cognito: Any
    dynamodb: Any
    events: Any
    users_table: str
    operations_table: str
    event_bus: str
    now: Callable[[], int]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    threads: Callable[[int], Executor]

    @classmethod
    def of(cls, context: OperatorContext) -> BackfillWiring:
        return cls(
            cognito=context.client("cognito-idp"),
            dynamodb=context.client("dynamodb"),
            events=context.client("events"),
            users_table=context.output("UsersTableName"),
            operations_table=context.output("OperationsTableName"),
            event_bus=context.output("EventBusName"),
            now=context.now,
            monotonic=context.monotonic,
            sleep=context.sleep,
            threads=context.threads,
        )

    def outbox(self) -> BatchPublisher:
        return BatchPublisher(EventBus(self.events, self.event_bus))

    def backfill(
        self,
        rules: DeployedRules,
        pools: Sequence[str],
        outbox: BatchPublisher,
        refusals: Refusals,
        *,
        rate: float,
        apply: bool,
    ) -> Backfill:
        """`rate` in pages a second."""
        users = UserTable(self.dynamodb, self.users_table)
        tombstones = Tombstones(self.dynamodb, self.operations_table)
        pace = TokenBucket(rate, 1, float("inf"), self.monotonic, self.sleep).take

        def walk(started_at: int) -> PageWriter:
            """Anew for every attempt: what it knows is a snapshot."""
            settled_before = self.now() - rules.grace
            index = RecordIndex.of(linked(self.dynamodb, self.users_table))
            pool = UserPools(self.cognito)
            return PageWriter(
                reader=PageReader(pool, users, tombstones, settled_before, pace, self.sleep, self.threads),
                index=index,
                admission=rules.admission,
                sign_up=SignUp(users, outbox) if apply else None,
                publisher=outbox,
                correlation_id=f"backfill-{uuid.uuid4()}",
                started_at=started_at,
                clock=self.now,
                threads=self.threads,
            )

        return Backfill(
            pools=pools,
            rules=f"{rules.fingerprint}|{','.join(pools)}",
            walk=walk,
            checkpoints=BackfillCheckpoints(self.dynamodb, self.operations_table) if apply else None,
            refusals=refusals,
            clock=self.now,
        )
