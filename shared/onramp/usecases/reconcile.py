"""Does what is due. The record holds what is owed, so what a queue or a bus lost is found here.

    emit      published again (same eventId), then flipped to `enrich`
    enrich    claimed for a day, then queued again
    operator  left alone, unless the profile is ready: then a worker died before its last step, and the user is queued

Each transition is one of docs/protocol.md, conditional and in its order: two runs at once, or a crash between any two
calls, do no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from onramp.domain.errors import EventsRefused
from onramp.domain.event_data import Event, Origin, user_forgotten, user_signed_up
from onramp.domain.users import SHARDS, Owed, Profile, User
from onramp.usecases.batches import PUT_EVENTS, READ_BATCH, SEND_BATCH, chunks, window
from onramp.usecases.runs import Run
from onramp.usecases.signup import Publisher

BACKLOG = 1_000  # visible messages
HOUR = 3_600_000  # milliseconds
EMIT_WAITS_AT_MOST = 6 * HOUR
ENRICH_AGAIN_AFTER = 24 * HOUR


@dataclass(frozen=True, slots=True)
class OwedRow:
    """One row of OwedIndex; it may lag behind the record. Times in Unix milliseconds."""

    user_id: str
    owed_since: int
    due_at: int


class OwedRows(Protocol):
    def of(self, kind: Owed, shard: int) -> Sequence[OwedRow]:
        """The rows of this kind, soonest due first; bounded."""


class Users(Protocol):
    def get_many(self, user_ids: Sequence[str]) -> Mapping[str, User]: ...
    def delete(self, user: User) -> bool: ...


class Tombstones(Protocol):
    def among(self, subs: Sequence[str]) -> frozenset[str]: ...


class Profiles(Protocol):
    def get_many(self, subs: Sequence[str]) -> Mapping[str, Profile]: ...


class Ledger(Protocol):
    def flip_to_enrich(self, user: User, due_at: int) -> bool: ...
    def return_to_enrich(self, user: User, due_at: int) -> User | None: ...
    def claim_due(self, user: User, due_at: int) -> bool: ...


class Queue(Protocol):
    def backlog(self) -> int: ...
    def send(self, *events: Event) -> None: ...


@dataclass(frozen=True, slots=True)
class Survey:
    """What is owed: how many users of each kind, the oldest `owedSince`, and the users this run handles.

    `held_back` counts due users who wait because the queue is long.
    """

    owed: Mapping[Owed, int]
    oldest: int | None
    emit: Sequence[str]
    queue: Sequence[str]
    look_at: Sequence[str]
    held_back: int

    def oldest_seconds(self, now: int) -> int:
        """The age of what is owed the longest, at `now` in Unix milliseconds; 0 where nothing is owed."""
        return 0 if self.oldest is None else max(0, now - self.oldest) // 1000


@dataclass(frozen=True, slots=True)
class Repeated:
    """How many users' events were emitted again, and how many users were queued again.

    `refused`: the error code by sub, of users whose event was not accepted. They still owe it.
    """

    emitted: int = 0
    queued: int = 0
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reconcile:
    """`enrich_due_after` in milliseconds; at most `most` users of each kind a run. Calls raise RetryableError."""

    owed_rows: OwedRows
    users: Users
    tombstones: Tombstones
    profiles: Profiles
    ledger: Ledger
    publisher: Publisher
    queue: Queue
    clock: Callable[[], int]
    enrich_due_after: int
    most: int

    def survey(self) -> Survey:
        """Twelve queries where little is owed; the queue's length is read only where something is due."""
        rows = {kind: self._read(kind) for kind in Owed}
        now = self.clock()
        emit = [row for row in rows[Owed.EMIT] if row.due_at <= now]
        enrich = [row for row in rows[Owed.ENRICH] if row.due_at <= now]
        due = len(emit) + len(enrich)
        if due and self.queue.backlog() >= BACKLOG:
            # More messages in a long queue only use up receives. An event waits six hours at most: consumers need it.
            emit, enrich = [row for row in emit if row.owed_since <= now - EMIT_WAITS_AT_MOST], []
        return Survey(
            owed={kind: len(found) for kind, found in rows.items()},
            oldest=min((row.owed_since for found in rows.values() for row in found), default=None),
            emit=[row.user_id for row in emit[: self.most]],
            queue=[row.user_id for row in enrich[: self.most]],
            look_at=window([row.user_id for row in rows[Owed.OPERATOR]], self.most, now),
            held_back=due - len(emit) - len(enrich),
        )

    def _read(self, kind: Owed) -> list[OwedRow]:
        rows = [row for shard in range(SHARDS) for row in self.owed_rows.of(kind, shard)]
        return sorted(rows, key=lambda row: row.due_at)

    def emit(self, user_ids: Sequence[str], run: Run) -> Repeated:
        """Emit, then flip: in the other order, a crash between them means that consumers never receive the event."""
        emitted, refused = 0, dict[str, str]()
        # Read ten at a time, immediately before they are published: no erased user is announced after UserForgotten.
        for users in self._still_owing(user_ids, Owed.EMIT, run, PUT_EVENTS):
            accepted = self._accepted(self.publisher.publish, users, run, refused)
            for user in accepted:
                self.ledger.flip_to_enrich(user, self.clock() + self.enrich_due_after)
            emitted += len(accepted)
        return Repeated(emitted=emitted, refused=refused)

    def _accepted(
        self, send: Callable[..., None], users: Sequence[User], run: Run, refused: dict[str, str]
    ) -> Sequence[User]:
        """Sends the users' events. Returns the users whose event was accepted and adds the others to `refused`."""
        if not users:
            return []
        try:
            send(*(user_signed_up(user, correlation_id=run.correlation_id, origin=Origin.RECONCILE) for user in users))
        except EventsRefused as error:
            refused |= {str(users[place].cognito_sub): code for place, code in error.codes.items()}
            return [user for place, user in enumerate(users) if place not in error.codes]
        return users

    def queue_again(self, user_ids: Sequence[str], run: Run) -> Repeated:
        """Claim, then send: two runs, or a crash between the two calls, never send one user twice in a day."""
        queued, refused = 0, dict[str, str]()
        for users in self._still_owing(user_ids, Owed.ENRICH, run, SEND_BATCH):
            claimed = [user for user in users if self._is_due(user) and self._claimed(user)]
            queued += len(self._accepted(self.queue.send, claimed, run, refused))
        return Repeated(queued=queued, refused=refused)

    def _is_due(self, user: User) -> bool:
        """By the record: the index may still show what another run has claimed."""
        return user.due_at is not None and user.due_at <= self.clock()

    def _claimed(self, user: User) -> bool:
        return self.ledger.claim_due(user, self.clock() + ENRICH_AGAIN_AFTER)

    def heal_ready(self, user_ids: Sequence[str], run: Run) -> Repeated:
        """One worker refused the user while another stored `ready` and died before UserProvisioned."""
        queued, refused = 0, dict[str, str]()
        for users in self._still_owing(user_ids, Owed.OPERATOR, run, READ_BATCH):
            profiles = self.profiles.get_many([str(user.cognito_sub) for user in users])
            ready = [user for user in users if (found := profiles.get(str(user.cognito_sub))) and found.ready]
            returned = [self.ledger.return_to_enrich(user, self.clock()) for user in ready]
            claimed = [user for user in returned if user and self._claimed(user)]
            for batch in chunks(claimed, SEND_BATCH):
                queued += len(self._accepted(self.queue.send, batch, run, refused))
        return Repeated(queued=queued, refused=refused)

    def _still_owing(self, user_ids: Sequence[str], kind: Owed, run: Run, size: int) -> Iterator[Sequence[User]]:
        """The records, read consistently in batches, that still owe this.

        No event can be built from a record that an edit by hand has broken: the record stays owed and OldestOwedAlarm
        fires.
        """
        for batch in chunks(user_ids, size):
            if not run.may_go_on():
                return
            users = [user for user in self.users.get_many(batch).values() if user.owes(kind) and user.is_linked]
            forgotten = self.tombstones.among([str(user.cognito_sub) for user in users])
            self._remove([user for user in users if user.cognito_sub in forgotten], run)
            yield [user for user in users if user.cognito_sub not in forgotten]

    def _remove(self, users: Sequence[User], run: Run) -> None:
        """Users who confirmed after their erasure: the trigger has no time to read a tombstone.

        Consumers may have received UserSignedUp after UserForgotten, so it is published again, before the record that
        leads here is deleted.
        """
        for user in users:
            sub, pool, at = str(user.cognito_sub), str(user.user_pool_id), user.linked_at or 0
            self.publisher.publish(user_forgotten(sub, pool, at=at, correlation_id=run.correlation_id, again=True))
            self.users.delete(user)
