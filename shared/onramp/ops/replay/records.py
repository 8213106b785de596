"""The linked users of a replay, by time of linking, status and what is owed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from onramp.adapters.aws import readable, retryable
from onramp.adapters.items import to_values
from onramp.adapters.tombstones import Tombstones
from onramp.adapters.users import UserTable, user_from
from onramp.domain.users import Owed, Profile, Status, User
from onramp.ops.common.when import format_time
from onramp.usecases.reconcile import Profiles

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

PAGE = 500


@dataclass(frozen=True, slots=True)
class Query:
    """Linked users by the time of linking (Unix milliseconds, both ends included), by status and by what is owed."""

    since: int
    until: int
    status: Status | None = None
    owed: Owed | None = None

    @property
    def digest(self) -> str:
        """The key of the checkpoint: another name of the class or of a field would lose the stored ones."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]

    def options(self) -> dict[str, str]:
        """By name, as the command line takes them, without loss: another time is another query."""
        filters = {"status": self.status, "owed": self.owed}
        window = {"from": _exact_time(self.since), "to": _exact_time(self.until)}
        return window | {name: str(value) for name, value in filters.items() if value}


@dataclass(frozen=True, slots=True)
class LinkedRecords:
    client: DynamoDBClient
    table: str
    profiles: Profiles

    def pages(self, query: Query) -> Iterator[list[User]]:
        """The matching users of the whole table, page by page."""
        yield from self._pages(query, {})

    def segment(self, query: Query, number: int, segments: int) -> list[User]:
        """The matching users of one of the `segments` parts of the table; `number` from 0."""
        pages = self._pages(query, {"Segment": number, "TotalSegments": segments})
        return [user for users in pages for user in users]

    def _pages(self, query: Query, part: dict[str, Any]) -> Iterator[list[User]]:
        request = {**self._request(query), **part}
        while True:
            with retryable("users_scan"):
                reply = readable("users_scan", self.client.scan(**request))
            users = [user for user in map(user_from, reply.get("Items", [])) if user.is_linked]
            yield self._with_status(users, query.status)
            if "LastEvaluatedKey" not in reply:
                return
            request["ExclusiveStartKey"] = reply["LastEvaluatedKey"]

    def _request(self, query: Query) -> dict[str, Any]:
        conditions = [
            "linkedAt BETWEEN :since AND :until",
            "attribute_exists(cognitoSub)",
            "attribute_exists(userPoolId)",
        ]
        values: dict[str, Any] = {":since": query.since, ":until": query.until}
        if query.owed:
            conditions.append("begins_with(owed, :owed)")
            values[":owed"] = f"{query.owed}#"
        return {
            "TableName": self.table,
            "Limit": PAGE,
            "FilterExpression": " AND ".join(conditions),
            "ExpressionAttributeValues": to_values(values),
        }

    def _with_status(self, users: list[User], wanted: Status | None) -> list[User]:
        if wanted is None:
            return users
        profiles = self.profiles.get_many([str(user.cognito_sub) for user in users])
        return [user for user in users if _status(profiles.get(str(user.cognito_sub))) == wanted]


@dataclass(frozen=True, slots=True)
class CurrentUsers:
    """Reads users again: what a scan returned may be minutes old."""

    users: UserTable
    tombstones: Tombstones

    def among(self, users: Sequence[User]) -> list[User]:
        """As they are stored now, without those who were erased or relinked since. Consistent reads."""
        stored = self.users.get_many([user.user_id for user in users])
        pairs = ((user, stored.get(user.user_id)) for user in users)
        current = [now for user, now in pairs if now and now.is_linked and now.cognito_sub == user.cognito_sub]
        forgotten = self.tombstones.among([str(user.cognito_sub) for user in current])
        return [user for user in current if user.cognito_sub not in forgotten]


def _exact_time(millis: int) -> str:
    """With milliseconds where there are any."""
    if millis % 1000 == 0:
        return format_time(millis)
    return datetime.fromtimestamp(millis / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _status(profile: Profile | None) -> str:
    """A user without a profile is pending: the worker has not started."""
    return profile.status if profile else Status.PENDING
