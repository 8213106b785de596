"""A backfill's parts, from the stack."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from onramp.adapters.cognito import UserPools
from onramp.adapters.eventbridge import EventBus
from onramp.adapters.pacing import TokenBucket
from onramp.adapters.tombstones import Tombstones
from onramp.adapters.users import UserTable
from onramp.ops.backfill.checkpoint import Checkpoints
from onramp.ops.backfill.known import Known, linked
from onramp.ops.backfill.outbox import Outbox
from onramp.ops.backfill.reading import Reader
from onramp.ops.backfill.refusals import Refusals
from onramp.ops.backfill.run import Backfill
from onramp.ops.backfill.walk import Walk
from onramp.ops.desk import Desk
from onramp.ops.rules import Rules
from onramp.signup import SignUp


@dataclass(frozen=True, slots=True)
class Stack:
    """What a backfill works with. Tests put their own in."""

    cognito: Any
    dynamodb: Any
    events: Any
    users_table: str
    operations_table: str
    event_bus: str
    now: Callable[[], int] = Desk.now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    threads: Callable[[int], Executor] = ThreadPoolExecutor

    @classmethod
    def of(cls, desk: Desk) -> Stack:
        return cls(
            cognito=desk.client("cognito-idp"),
            dynamodb=desk.client("dynamodb"),
            events=desk.client("events"),
            users_table=desk.output("UsersTableName"),
            operations_table=desk.output("OperationsTableName"),
            event_bus=desk.output("EventBusName"),
        )

    def outbox(self) -> Outbox:
        return Outbox(EventBus(self.events, self.event_bus))

    def backfill(
        self, rules: Rules, pools: Sequence[str], outbox: Outbox, refusals: Refusals, *, rate: float, apply: bool
    ) -> Backfill:
        """`rate` in pages a second."""
        users = UserTable(self.dynamodb, self.users_table)
        tombstones = Tombstones(self.dynamodb, self.operations_table)
        pace = TokenBucket(rate, 1, float("inf"), self.monotonic, self.sleep).take

        def walk(started_at: int) -> Walk:
            """Anew for every attempt: what it knows is a snapshot."""
            settled_before = self.now() - rules.grace
            known = Known.of(linked(self.dynamodb, self.users_table))
            pool = UserPools(self.cognito)
            return Walk(
                reader=Reader(pool, users, tombstones, settled_before, pace, self.sleep, self.threads),
                known=known,
                admission=rules.admission,
                sign_up=SignUp(users, outbox) if apply else None,
                outbox=outbox,
                correlation_id=f"backfill-{uuid.uuid4()}",
                started_at=started_at,
                clock=self.now,
                threads=self.threads,
            )

        return Backfill(
            pools=pools,
            rules=f"{rules.fingerprint}|{','.join(pools)}",
            walk=walk,
            checkpoints=Checkpoints(self.dynamodb, self.operations_table) if apply else None,
            refusals=refusals,
            clock=self.now,
        )
