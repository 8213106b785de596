"""The linked users of a replay, by time of linking, status and what is owed, page by page."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from onramp.adapters.aws import readable, retryable
from onramp.adapters.items import to_values
from onramp.adapters.users import user_from
from onramp.domain.users import Owed, Profile, Status, User
from onramp.ops.common.when import format_time
from onramp.ops.tables.replay_checkpoints import ScanKey
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
        """By name, as the command line takes them."""
        filters = {"status": self.status, "owed": self.owed}
        window = {"from": format_time(self.since), "to": format_time(self.until)}
        return window | {name: str(value) for name, value in filters.items() if value}


@dataclass(frozen=True, slots=True)
class LinkedRecords:
    client: DynamoDBClient
    table: str
    profiles: Profiles

    def pages(self, query: Query, after: ScanKey | None = None) -> Iterator[tuple[list[User], ScanKey | None]]:
        """The matching users of each page of the scan, and the key from which the next page continues."""
        request = {**self._request(query), **({"ExclusiveStartKey": after} if after else {})}
        while True:
            with retryable("users_scan"):
                reply = readable("users_scan", self.client.scan(**request))
            key: ScanKey | None = reply.get("LastEvaluatedKey")
            users = [user for user in map(user_from, reply.get("Items", [])) if user.is_linked]
            yield self._with_status(users, query.status), key
            if key is None:
                return
            request["ExclusiveStartKey"] = key

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


def _status(profile: Profile | None) -> str:
    """A user without a profile is pending: the worker has not started."""
    return profile.status if profile else Status.PENDING
