"""The users who are owed work, each with the step that failed last: pages of OwedIndex, then records and profiles.

Every read is bounded: a page is one Query and two BatchGetItem of at most 100 keys. A position names the last user by
the sub, because the index's own key has the address.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from onramp.adapters.aws import readable, retryable
from onramp.adapters.items import from_item, to_values
from onramp.adapters.owed import owed_query
from onramp.adapters.profiles import ProfileTable
from onramp.adapters.users import UserTable
from onramp.domain.users import SHARDS, Owed, Profile, User
from onramp.ops.common.dead_letters import UNKNOWN, last_failure
from onramp.ops.common.errors import UsageError
from onramp.usecases.batches import READ_BATCH

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

SAMPLE = 25  # users a shard
_TOKEN = re.compile(r"(emit|enrich|operator)\.(\d{1,2})\.(\d{1,16})\.([0-9A-Za-z-]{36})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Position:
    """After a user: where the next page begins."""

    kind: Owed
    shard: int
    due_at: int
    sub: str

    @classmethod
    def parse(cls, token: str) -> Position:
        """Raises UsageError."""
        match = _TOKEN.fullmatch(token)
        if not match:
            raise UsageError(f"'{token}' is no position of an earlier page: leave out --after for the first page.")
        return cls(Owed(match[1]), int(match[2]), int(match[3]), match[4])

    def __str__(self) -> str:
        return f"{self.kind}.{self.shard}.{self.due_at}.{self.sub}"


@dataclass(frozen=True, slots=True)
class OwedUser:
    """`step` and `record`: the step that failed last, `unknown` and empty where none has."""

    user: User
    profile: Profile | None
    step: str
    record: Mapping[str, Any]

    @classmethod
    def of(cls, user: User, profile: Profile | None) -> OwedUser:
        return cls(user, profile, *last_failure(profile))

    @property
    def error_code(self) -> str | None:
        return self.record.get("errorCode")

    def waits_for(self, step: str) -> bool:
        """Whether the worker has failed at this step and tries it again."""
        record = self.profile.steps.get(step) if self.profile else None
        return record is not None and record.get("state") == "retrying"


@dataclass(frozen=True, slots=True)
class Causes:
    """Of a sample of `users`: how many wait for, or were refused by, which step with which code."""

    users: int
    counts: Counter[tuple[str, str]]

    def of_step(self, step: str) -> list[tuple[str, int]]:
        """Codes of one step, the most common first."""
        return [(code, count) for (name, code), count in self.counts.most_common() if name == step]

    def sentence(self) -> str:
        """`stripe stripe_503 (35), ...` of the most common ones."""
        return ", ".join(f"{step} {code} ({count:,})" for (step, code), count in self.counts.most_common(3))


@dataclass(frozen=True, slots=True)
class OwedUsers:
    client: DynamoDBClient
    table: str
    users: UserTable
    profiles: ProfileTable

    def after(self, kinds: Sequence[Owed], position: Position | None) -> Iterator[tuple[Position, OwedUser]]:
        """Soonest due first in each shard. Raises UsageError where the user of `position` has no record any more."""
        places = [(kind, shard) for kind in kinds for shard in range(SHARDS)]
        start = None
        if position:
            if (position.kind, position.shard) not in places:
                raise UsageError("this position is of a list with other options: leave out --after.")
            places = places[places.index((position.kind, position.shard)) :]
            start = self._key(position)
        for kind, shard in places:
            while True:
                rows, start = self._query(kind, shard, start, READ_BATCH)
                for due_at, owed in self._read(kind, shard, rows):
                    yield Position(kind, shard, due_at, str(owed.user.cognito_sub)), owed
                if start is None:
                    break

    def causes(self, kinds: Sequence[Owed]) -> Causes:
        """A sample: of each kind and shard the users that are due first."""
        found = [
            owed
            for kind in kinds
            for shard in range(SHARDS)
            for _, owed in self._read(kind, shard, self._query(kind, shard, None, SAMPLE)[0])
        ]
        counts = Counter((owed.step, owed.error_code or UNKNOWN) for owed in found if owed.record)
        return Causes(len(found), counts)

    def _query(
        self, kind: Owed, shard: int, start: dict[str, Any] | None, limit: int
    ) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        request = owed_query(self.table, kind, shard, limit)
        if start:
            request["ExclusiveStartKey"] = start
        with retryable("owed_query"):
            reply = readable("owed_query", self.client.query(**request))
        return list(map(from_item, reply.get("Items", []))), reply.get("LastEvaluatedKey")

    def _read(self, kind: Owed, shard: int, rows: Sequence[dict[str, Any]]) -> Iterator[tuple[int, OwedUser]]:
        """The index may lag: the record decides."""
        users = self.users.get_many([row["userId"] for row in rows]) if rows else {}
        subs = [str(user.cognito_sub) for user in users.values() if user.cognito_sub]
        profiles = self.profiles.get_many(subs) if subs else {}
        for row in rows:
            user = users.get(row["userId"])
            if user and user.cognito_sub and user.owed == kind.on(shard):
                yield row["dueAt"], OwedUser.of(user, profiles.get(user.cognito_sub))

    def _key(self, position: Position) -> dict[str, Any]:
        user_id = self.users.holder_of(position.sub)
        if user_id is None:
            raise UsageError("the last user of that page has no record any more: leave out --after.")
        return to_values({"owed": position.kind.on(position.shard), "dueAt": position.due_at, "userId": user_id})
