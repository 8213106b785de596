"""Erases a user, in an order that leaves nothing behind and lets nothing come back. Repeating it does no harm.

    open the journal ─▶ tombstones ─▶ customers, profiles ─▶ record ─▶ wait, customers and profiles again
    ─▶ dead letters ─▶ look again ─▶ UserForgotten ─▶ close the journal

Once the tombstone is written and the record is deleted, no message, sweep or sign-in creates the user again. But a
worker that read the record before may write a profile, or create a customer, until its timeout. Where that is possible,
the erasure waits for that long and then deletes profiles and customers a second time.

A relink, or the trigger, which cannot read a tombstone, may write the record after the target was found. So the address
is read again at the end: where its record is the same user's, the erasure starts again with all subs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Self

from onramp.adapters.eventbridge import EventBus
from onramp.adapters.users import UserTable
from onramp.domain.event_data import user_forgotten
from onramp.domain.users import User
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.dead_letters import DeadLetterQueues
from onramp.ops.common.errors import CommandFailed
from onramp.ops.common.letter_removal import LetterRemoval
from onramp.ops.common.provider_erasure import CustomerKeys, Eraser, provider_erasers
from onramp.ops.tables.erasures import ErasureJournal, ErasureTarget
from onramp.ops.tables.profiles import ProfileWrites
from onramp.ops.tables.users import UserWrites
from onramp.usecases.signup import Publisher

ROUNDS = 5
WORKER_LIFETIME = 65_000  # milliseconds: EnrichProfile's timeout of 60 s, and 5 s for clock drift


@dataclass(frozen=True, slots=True)
class Erasure:
    """`erasers` by provider: customers of the others stay."""

    records: UserTable
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
            records=context.users,
            users=UserWrites(dynamodb, context.output("UsersTableName")),
            profiles=ProfileWrites(dynamodb, context.output("UserProfilesTableName")),
            journal=ErasureJournal(dynamodb, context.output("OperationsTableName")),
            erasers=provider_erasers(context, providers),
            queues=DeadLetterQueues.of(context),
            publisher=EventBus(context.client("events"), context.output("EventBusName")),
            now=context.now,
            sleep=context.sleep,
        )

    def run(
        self,
        target: ErasureTarget,
        correlation_id: str,
        on_wait: Callable[[float], None],
        on_held: Callable[[int], None] = lambda _: None,
    ) -> Counter[str]:
        """Returns how much of each kind was deleted. Raises RetryableError.

        Calls `on_wait` with the seconds, before it waits for a worker, and `on_held` with the number of dead letters,
        before it waits for their readers. Raises CommandFailed where a provider or SQS did not delete: a second run
        continues.
        """
        erased: Counter[str] = Counter()
        letters = LetterRemoval(self.queues, self.sleep, on_held)
        for _ in range(ROUNDS):
            forgotten_at = self._erase(target, erased, on_wait)
            erased["deadLetters"] += letters.run(target.subs)
            if (record := self._own_record(target)) is None:
                self._announce(target, forgotten_at, correlation_id)
                erased["announced"] += len(forgotten_at)
                self.journal.close(target)
                return erased
            target = self._extend(target, record)
        raise CommandFailed(
            "the record is written again and again: let no relink run, then run the same command again."
        )

    def _erase(
        self, target: ErasureTarget, erased: Counter[str], on_wait: Callable[[float], None]
    ) -> Mapping[str, int]:
        """Adds to `erased`. Returns the time of each tombstone."""
        self.journal.open(target)
        forgotten_at = self.journal.write_tombstones(target.subs, self.now())
        erased.update(self._erase_profiles(target))
        erased["record"] += self._delete_record(target)
        if (seconds := self._seconds_of_a_worker(target)) > 0:
            on_wait(seconds)
            self.sleep(seconds)
            erased.update(self._erase_profiles(target))
        return forgotten_at

    def _own_record(self, target: ErasureTarget) -> User | None:
        """The record of the target's address, where it is the target's own; another user may have signed up with it."""
        record = self.records.get(target.user_id) if target.user_id else None
        return record if record and target.owns(record) else None

    def _extend(self, target: ErasureTarget, record: User) -> ErasureTarget:
        """The new journal row before the old one is deleted: a killed erasure is found by either sub."""
        extended = target.extended_by(record)
        self.journal.open(extended)
        if extended.key != target.key:
            self.journal.close(target)
        return extended

    def _announce(self, target: ErasureTarget, forgotten_at: Mapping[str, int], correlation_id: str) -> None:
        for sub, at in forgotten_at.items():
            self.publisher.publish(user_forgotten(sub, target.pool_of(sub), at=at, correlation_id=correlation_id))

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
        """Only the record that was read: it may be linked or relinked meanwhile, and then `_own_record` finds it."""
        record = self._own_record(target)
        if record is None or record.cognito_sub not in (None, *target.subs):
            return 0  # without a tombstone for its sub yet
        return int(self.users.delete(record.user_id, record.cognito_sub))

    def _seconds_of_a_worker(self, target: ErasureTarget) -> float:
        """How long a worker may still run that read the record before it was deleted; negative where none can."""
        now = self.now()
        started_before = now if target.busy else min(target.last_work, now)  # a profile may have been edited by hand
        return (started_before + WORKER_LIFETIME - now) / 1000
