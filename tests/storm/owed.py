"""The records of the users and OwedIndex, as small as the shipped reconciler allows: it runs on them unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice

from onramp.domain.event_data import Event
from onramp.domain.users import SHARDS, Owed, Profile, User, shard_of
from onramp.usecases.reconcile import OwedRow, Reconcile
from onramp.usecases.runs import Run

POOL, TIMEOUT_MILLIS = "eu-west-1_Storm", 240_000
Rows = dict[str, int]


@dataclass(slots=True)
class Users:
    """`grain` users who are treated as one. Times in seconds, `due` in Unix milliseconds. `done` is a set of bits."""

    sub: str
    shard: int
    signed_up: float
    owed: Owed | None = Owed.EMIT
    due: int = 0
    done: int = 0
    backfilled: bool = False

    def record(self) -> User:
        since = int(self.signed_up * 1000)
        owed = self.owed and self.owed.on(self.shard)
        return User(
            self.sub, (), cognito_sub=self.sub, user_pool_id=POOL, linked_at=since, owed=owed, owed_since=since,
            due_at=self.due,
        )  # fmt: skip


class NoProfiles:
    """The reconciler reads profiles only of users who are owed to the operator: here no step fails permanently."""

    def get_many(self, _subs: Sequence[str]) -> Mapping[str, Profile]:
        return {}


class OwedTable:
    """Users and OwedIndex. The rows of one kind, shard and delay are due in the order in which they were written."""

    def __init__(
        self,
        clock: Callable[[], float],
        send: Callable[[Users], None],
        backlog: Callable[[], int],
        *,
        emit_due_after: float,
        enrich_due_after: float,
        most: int,
    ) -> None:
        self._clock, self._send_users, self._backlog = clock, send, backlog
        self._emit_due, self._enrich_due, self._most = int(emit_due_after * 1000), int(enrich_due_after * 1000), most
        self._users: dict[str, Users] = {}
        self._rows: dict[tuple[Owed, int], tuple[Rows, Rows]] = {
            (kind, shard): ({}, {}) for kind in Owed for shard in range(SHARDS)
        }
        self.again = self.held_back = 0
        self._reconcile = Reconcile(self, self, self, NoProfiles(), self, self, self, self.now, self._enrich_due, most)

    def __len__(self) -> int:
        return len(self._users)

    def now(self) -> int:
        return int(self._clock() * 1000)

    def create(self, number: int, *, backfilled: bool = False) -> Users:
        sub = str(number)
        users = self._users[sub] = Users(sub, shard_of(sub), self._clock(), backfilled=backfilled)
        self._owe(users, Owed.EMIT, self.now() + self._emit_due)
        return users

    def settle(self, users: Users) -> None:
        if users.owed:
            self._remove(users)
            users.owed = None
            del self._users[users.sub]

    def reconcile(self) -> None:
        """One run of the shipped use case. It takes no time here."""
        run = Run("storm", lambda: TIMEOUT_MILLIS, 0, _raise)
        survey = self._reconcile.survey()
        self.held_back += survey.held_back
        self.again += self._reconcile.emit(survey.emit, run).emitted
        self.again += self._reconcile.queue_again(survey.queue, run).queued

    def _owe(self, users: Users, kind: Owed, due: int, *, late: bool = False) -> None:
        users.owed, users.due = kind, due
        self._rows[kind, users.shard][late][users.sub] = due

    def _remove(self, users: Users) -> None:
        for rows in self._rows[users.owed or Owed.EMIT, users.shard]:
            rows.pop(users.sub, None)

    # -- what the use case calls

    def of(self, kind: Owed, shard: int) -> list[OwedRow]:
        """As many rows as one run can use."""
        rows: Iterator[tuple[int, str]] = merge(
            *(((due, sub) for sub, due in found.items()) for found in self._rows[kind, shard])
        )
        return [OwedRow(sub, int(self._users[sub].signed_up * 1000), due) for due, sub in islice(rows, self._most)]

    def get_many(self, subs: Sequence[str]) -> Mapping[str, User]:
        return {sub: self._users[sub].record() for sub in subs if sub in self._users}

    def flip_to_enrich(self, user: User, due_at: int) -> bool:
        return self._move(user, Owed.EMIT, due_at, late=False)

    def claim_due(self, user: User, due_at: int) -> bool:
        return self._move(user, Owed.ENRICH, due_at, late=True)

    def _move(self, user: User, from_kind: Owed, due: int, *, late: bool) -> bool:
        users = self._users.get(user.user_id)
        if users is None or users.owed is not from_kind:
            return False
        self._remove(users)
        self._owe(users, Owed.ENRICH, due, late=late)
        return True

    def flip(self, users: Users) -> None:
        """The worker's own transition after a failure."""
        if users.owed is Owed.EMIT:
            self._remove(users)
            self._owe(users, Owed.ENRICH, self.now() + self._enrich_due)

    def publish(self, *events: Event) -> None:
        for event in events:
            self._send_users(self._users[event.detail["data"]["cognitoSub"]])

    send = publish

    def backlog(self) -> int:
        return self._backlog()

    def among(self, _subs: Sequence[str]) -> frozenset[str]:
        return frozenset()

    def return_to_enrich(self, _user: User, _due_at: int) -> User | None:
        return None

    def delete(self, _user: User) -> bool:
        return False


def _raise(error: Exception) -> None:
    raise error
