"""Does what is due of what is owed. The table is the truth: what a queue or a bus lost is found here.

    emit      emitted again (same eventId), then flipped to `enrich`
    enrich    claimed for a day, then queued again
    operator  left alone; but where the profile is ready, a worker died before its last step: queued again

Each transition is docs/protocol.md's, conditional and in its order: two runs at once, or a death anywhere, do no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from onramp.domain.errors import EventsRefused
from onramp.domain.event_data import Event, Origin, user_signed_up
from onramp.domain.users import SHARDS, Owed, Profile, User
from onramp.usecases.signup import Publisher

T = TypeVar("T")
BACKLOG = 1_000
HOUR = 3_600_000  # milliseconds
EMIT_WAITS_AT_MOST = 6 * HOUR
ENRICH_AGAIN_AFTER = 24 * HOUR
PUT_EVENTS, SEND_BATCH, READ_BATCH = 10, 10, 100


@dataclass(frozen=True, slots=True)
class OwedRow:
    """One row of OwedIndex; it may lag behind the record. Times in Unix milliseconds."""

    user_id: str
    owed_since: int
    due_at: int


class OwedRows(Protocol):
    def of(self, kind: Owed, shard: int) -> Sequence[OwedRow]:
        """Who is owed this, soonest due first; bounded."""


class Users(Protocol):
    def get_many(self, user_ids: Sequence[str]) -> Mapping[str, User]: ...


class Profiles(Protocol):
    def get_many(self, subs: Sequence[str]) -> Mapping[str, Profile]: ...


class Ledger(Protocol):
    def flip_to_enrich(self, user: User, due_at: int) -> bool: ...
    def return_to_enrich(self, user: User, due_at: int) -> User | None: ...
    def claim_due(self, user: User, due_at: int) -> bool: ...


class Queue(Protocol):
    def backlog(self) -> int: ...
    def send(self, events: Sequence[Event]) -> None: ...


@dataclass(frozen=True, slots=True)
class Survey:
    """What is owed by kind, since when at the longest, and what of it this run is to do."""

    owed: Mapping[Owed, int]
    oldest: int | None
    emit: Sequence[str]
    queue: Sequence[str]
    look_at: Sequence[str]
    held_back: int


@dataclass(frozen=True, slots=True)
class Reconcile:
    """`enrich_due_after` in milliseconds; at most `most` users of each kind a run. Calls raise RetryableError."""

    debts: OwedRows
    users: Users
    profiles: Profiles
    ledger: Ledger
    publisher: Publisher
    queue: Queue
    clock: Callable[[], int]
    enrich_due_after: int
    most: int

    def survey(self) -> Survey:
        """Twelve queries where little is owed, and the queue's backlog only where something is due."""
        debts = {kind: self._read(kind) for kind in Owed}
        now = self.clock()
        emit = [debt for debt in debts[Owed.EMIT] if debt.due_at <= now]
        enrich = [debt for debt in debts[Owed.ENRICH] if debt.due_at <= now]
        due = len(emit) + len(enrich)
        if due and self.queue.backlog() >= BACKLOG:
            # What waits in the queue waits already, and more of it only burns receives. The news waits six hours at
            # most, for the other teams' sake.
            emit, enrich = [debt for debt in emit if debt.owed_since <= now - EMIT_WAITS_AT_MOST], []
        return Survey(
            owed={kind: len(found) for kind, found in debts.items()},
            oldest=min((debt.owed_since for found in debts.values() for debt in found), default=None),
            emit=[debt.user_id for debt in emit[: self.most]],
            queue=[debt.user_id for debt in enrich[: self.most]],
            look_at=window([debt.user_id for debt in debts[Owed.OPERATOR]], self.most, now),
            held_back=due - len(emit) - len(enrich),
        )

    def _read(self, kind: Owed) -> list[OwedRow]:
        found = [debt for shard in range(SHARDS) for debt in self.debts.of(kind, shard)]
        return sorted(found, key=lambda debt: debt.due_at)

    def emit(self, user_ids: Sequence[str], *, correlation_id: str, may_go_on: Callable[[], bool]) -> int:
        """Emit, then flip: the other way round, a death between would keep the news from the other teams for ever."""
        emitted = 0
        for users in self._standing(user_ids, Owed.EMIT, may_go_on):
            for ten in chunks(users, PUT_EVENTS):
                heard = self._published(ten, correlation_id)
                for user in heard:
                    self.ledger.flip_to_enrich(user, self.clock() + self.enrich_due_after)
                emitted += len(heard)
        return emitted

    def _published(self, users: Sequence[User], correlation_id: str) -> Sequence[User]:
        """Those whose event the bus took; the others still owe it."""
        try:
            self.publisher.publish(*(self._event(user, correlation_id) for user in users))
        except EventsRefused as refused:
            return [user for place, user in enumerate(users) if place not in refused.codes]
        return users

    def queue_again(self, user_ids: Sequence[str], *, correlation_id: str, may_go_on: Callable[[], bool]) -> int:
        """Claim, then send: two runs, or a death between, never send one user twice in a day."""
        queued = 0
        for users in self._standing(user_ids, Owed.ENRICH, may_go_on):
            for ten in chunks(users, SEND_BATCH):
                ours = [user for user in ten if self._is_due(user) and self._claimed(user)]
                if ours:
                    self.queue.send([self._event(user, correlation_id) for user in ours])
                queued += len(ours)
        return queued

    def _is_due(self, user: User) -> bool:
        """By the record: the index may still show what another run has claimed."""
        return user.due_at is not None and user.due_at <= self.clock()

    def _claimed(self, user: User) -> bool:
        return self.ledger.claim_due(user, self.clock() + ENRICH_AGAIN_AFTER)

    def heal_ready(self, user_ids: Sequence[str], *, correlation_id: str, may_go_on: Callable[[], bool]) -> int:
        """Somebody refused this user while another worker stored ready and died before UserProvisioned."""
        queued = 0
        for users in self._standing(user_ids, Owed.OPERATOR, may_go_on):
            profiles = self.profiles.get_many([str(user.cognito_sub) for user in users])
            ready = [user for user in users if (found := profiles.get(str(user.cognito_sub))) and found.ready]
            returned = [self.ledger.return_to_enrich(user, self.clock()) for user in ready]
            ours = [user for user in returned if user and self._claimed(user)]
            for ten in chunks(ours, SEND_BATCH):
                self.queue.send([self._event(user, correlation_id) for user in ten])
            queued += len(ours)
        return queued

    def _standing(self, user_ids: Sequence[str], kind: Owed, may_go_on: Callable[[], bool]) -> Iterator[Sequence[User]]:
        """The records, read consistently in batches, of those who still owe this.

        Of a record that an edit by hand has broken nothing can be told: it stays owed and grows old, which rings.
        """
        for some in chunks(user_ids, READ_BATCH):
            if not may_go_on():
                return
            yield [user for user in self.users.get_many(some).values() if user.owes(kind) and user.is_linked]

    def _event(self, user: User, correlation_id: str) -> Event:
        return user_signed_up(user, correlation_id=correlation_id, origin=Origin.RECONCILE)


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def window(items: Sequence[T], size: int, now: int) -> Sequence[T]:
    """A slice that moves on with every five minutes, so that a long list is looked at in turn without a checkpoint."""
    if len(items) <= size:
        return items
    start = now // 300_000 * size % len(items)
    return [*items[start : start + size], *items[: max(0, start + size - len(items))]]
