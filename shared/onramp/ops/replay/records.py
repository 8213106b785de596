"""The users to tell of again: linked users by time of linking, status and what is owed, page by page."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from onramp.adapters.aws import readable, retryable
from onramp.adapters.items import to_values
from onramp.adapters.users import user_from
from onramp.domain.users import Owed, Profile, Status, User
from onramp.usecases.reconcile import Profiles

PAGE = 500
Key = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Query:
    """Linked users by the time of linking (Unix milliseconds), by status and by what is owed."""

    since: int
    until: int
    status: Status | None = None
    owed: Owed | None = None

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Records:
    """`client` is DynamoDB's."""

    client: Any
    table: str
    profiles: Profiles

    def pages(self, query: Query, after: Key | None = None) -> Iterator[tuple[list[User], Key | None]]:
        """The users that match, a page of the scan at a time, and the key to go on from."""
        request = {**self._request(query), **({"ExclusiveStartKey": after} if after else {})}
        while True:
            with retryable("users_scan"):
                reply = readable("users_scan", self.client.scan(**request))
            key: Key | None = reply.get("LastEvaluatedKey")
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
    """Who has no profile yet is on the way."""
    return profile.status if profile else Status.PENDING
