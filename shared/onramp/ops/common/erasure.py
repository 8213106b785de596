"""Erases a user, in an order that leaves nothing behind and lets nothing come back. Repeating it does no harm.

    open the journal ─▶ tombstones ─▶ customers, profiles ─▶ record ─▶ wait, customers and profiles again
    ─▶ dead letters ─▶ UserForgotten ─▶ close the journal

Once the tombstone is written and the record is deleted, no message, sweep or sign-in creates the user again. But a
worker that read the record before may write a profile, or create a customer, until its timeout. Where that is possible,
the erasure waits for that long and then deletes profiles and customers a second time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Self

from onramp.adapters.eventbridge import EventBus
from onramp.domain.event_data import user_forgotten
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.dead_letters import DeadLetterQueues
from onramp.ops.common.provider_erasure import CustomerKeys, Eraser, provider_erasers
from onramp.ops.common.queue_reader import drop_letters
from onramp.ops.tables.erasures import ErasureJournal, ErasureTarget
from onramp.ops.tables.profiles import ProfileWrites
from onramp.ops.tables.users import UserWrites
from onramp.usecases.signup import Publisher

WORKER_LIFETIME = 65_000  # milliseconds: EnrichProfile's timeout of 60 s, and 5 s for clock drift


@dataclass(frozen=True, slots=True)
class Erasure:
    """`erasers` by provider: customers of the others stay."""

    users: UserWrites
    profiles: ProfileWrites
    journal: ErasureJournal
    erasers: Mapping[str, Eraser]
    queues: DeadLetterQueues
    publisher: Publisher
    now: Callable[[], int]
    sleep: Callable[[float], None]

    @classmethod
    def of(cls, context: OperatorContext, providers: Collection[str]) -> Self:
        """`providers`: those whose customers are to be deleted. Raises UsageError where the stack does not use one."""
        dynamodb = context.client("dynamodb")
        return cls(
            users=UserWrites(dynamodb, context.output("UsersTableName")),
            profiles=ProfileWrites(dynamodb, context.output("UserProfilesTableName")),
            journal=ErasureJournal(dynamodb, context.output("OperationsTableName")),
            erasers=provider_erasers(context, providers),
            queues=DeadLetterQueues.of(context),
            publisher=EventBus(context.client("events"), context.output("EventBusName")),
            now=context.now,
            sleep=context.sleep,
        )

    def run(self, target: ErasureTarget, correlation_id: str, on_wait: Callable[[float], None]) -> Counter[str]:
        """Returns how much of each kind was deleted. Calls `on_wait` with the seconds, before it waits for a worker.

        Raises CommandFailed where a provider or SQS did not delete: a second run continues.
        """
        self.journal.open(target)
        forgotten_at = self.journal.write_tombstones(target.subs, self.now())
        erased = self._erase_profiles(target)
        erased["record"] += self._delete_record(target)
        if (seconds := self._seconds_of_a_worker(target)) > 0:
            on_wait(seconds)
            self.sleep(seconds)
            erased += self._erase_profiles(target)
        erased["deadLetters"] += drop_letters(self.queues, target.subs)
        for sub, at in forgotten_at.items():
            self.publisher.publish(user_forgotten(sub, target.pool, at=at, correlation_id=correlation_id))
            erased["announced"] += 1
        self.journal.close(target)
        return erased

    def _erase_profiles(self, target: ErasureTarget) -> Counter[str]:
        """Customers first: only the profiles hold their ids."""
        profiles = [row for sub in target.subs if (row := self.profiles.row(sub))]
        keys = CustomerKeys(target.user_id, target.subs, profiles)
        erased = Counter({provider: erase(keys) for provider, erase in self.erasers.items()})
        for sub in target.subs:
            self.profiles.delete(sub)
        erased["profile"] = len(profiles)
        return erased

    def _delete_record(self, target: ErasureTarget) -> int:
        if target.user_id is None:
            return 0
        return int(self.users.delete(target.user_id, target.subs[0] if target.subs else None))

    def _seconds_of_a_worker(self, target: ErasureTarget) -> float:
        """How long a worker may still run that read the record before it was deleted; negative where none can."""
        started_before = self.now() if target.busy else target.last_work
        return (started_before + WORKER_LIFETIME - self.now()) / 1000
