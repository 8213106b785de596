"""What is owed: the transitions of docs/protocol.md, one method each.

Every update carries `cognitoSub = :sub`: UpdateItem on a deleted record would create half a record, and a relinked
record belongs to another user's message. A failed condition is a normal outcome: another process was first, and nothing
is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from onramp.adapters.aws import condition_holds, error_code, readable, retryable
from onramp.adapters.items import from_item, to_values
from onramp.domain.event_data import usable_time
from onramp.domain.users import Owed, User, shard_of
from onramp.usecases.reconcile import OwedRow

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

PAGE, PAGES = 1_000, 10
_EMIT = "begins_with(owed, :emit)"
_EMIT_OR_ENRICH = "(begins_with(owed, :emit) OR begins_with(owed, :enrich))"


@dataclass(frozen=True, slots=True)
class OwedLedger:
    """Every method returns whether its condition held."""

    client: DynamoDBClient
    table: str

    def flip_to_enrich(self, user: User, due_at: int) -> bool:
        """`emit` -> `enrich`: the event was delivered or emitted again, the profile is not ready yet."""
        values = {":to": _stored(Owed.ENRICH, user), ":emit": "emit#", ":due": due_at}
        return self._update(user, "SET owed = :to, dueAt = :due", _EMIT, values)

    def hand_to_operator(self, user: User) -> bool:
        """`emit` or `enrich` -> `operator`. From both: the reconciler may have flipped it since it was read."""
        values = {":to": _stored(Owed.OPERATOR, user), ":emit": "emit#", ":enrich": "enrich#"}
        return self._update(user, "SET owed = :to", _EMIT_OR_ENRICH, values)

    def claim_due(self, user: User, due_at: int) -> bool:
        """`enrich` stays and is due again at `due_at`, unless another run was first; `owedSince` never moves."""
        values = {":read": user.owed, ":was": user.due_at, ":due": due_at}
        return self._update(user, "SET dueAt = :due", "owed = :read AND dueAt = :was", values)

    def return_to_enrich(self, user: User, due_at: int) -> User | None:
        """`operator` -> `enrich`, before the user is queued again. The new record, None where the write was refused."""
        returned = replace(user, owed=_stored(Owed.ENRICH, user), due_at=due_at)
        return returned if self._update(user, *_return(user, due_at)) else None

    def return_all_to_enrich(self, users: Sequence[User], due_at: int) -> frozenset[str]:
        """The same for up to 100 users in one call; returns the subs of the users whose record was changed.

        A transaction is all or nothing: where one condition fails, each user is tried alone.
        """
        updates: Any = [{"Update": self._request(user, *_return(user, due_at))} for user in users]
        with retryable("users_transact"):
            try:
                self.client.transact_write_items(TransactItems=updates)
            except ClientError as error:
                if error_code(error) != "TransactionCanceledException":
                    raise
                users = [user for user in users if self.return_to_enrich(user, due_at)]
        return frozenset(str(user.cognito_sub) for user in users)

    def settle(self, user: User) -> bool:
        """Removes what is owed, `operator` too: the user is provisioned."""
        return self._update(user, "REMOVE owed, owedSince, dueAt")

    def _update(
        self, user: User, change: str, condition: str | None = None, values: dict[str, Any] | None = None
    ) -> bool:
        with retryable("users_update"):
            return condition_holds(self.client.update_item, **self._request(user, change, condition, values))

    def _request(
        self, user: User, change: str, condition: str | None = None, values: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        return {
            "TableName": self.table,
            "Key": {"userId": {"S": user.user_id}},
            "UpdateExpression": change,
            "ConditionExpression": " AND ".join(filter(None, ("cognitoSub = :sub", condition))),
            "ExpressionAttributeValues": to_values({":sub": user.cognito_sub, **(values or {})}),
        }


def _return(user: User, due_at: int) -> tuple[str, str, dict[str, Any]]:
    values = {":to": _stored(Owed.ENRICH, user), ":operator": "operator#", ":due": due_at}
    return "SET owed = :to, dueAt = :due", "begins_with(owed, :operator)", values


def _stored(kind: Owed, user: User) -> str:
    """The stored form on the user's shard, which never changes."""
    return kind.on(shard_of(str(user.cognito_sub)))


def owed_query(table: str, kind: Owed, shard: int, limit: int) -> dict[str, Any]:
    """The arguments of a query of OwedIndex: the rows of one kind on one shard, soonest due first."""
    return {
        "TableName": table,
        "IndexName": "OwedIndex",
        "KeyConditionExpression": "owed = :owed",
        "ExpressionAttributeValues": to_values({":owed": kind.on(shard)}),
        "Limit": limit,
    }


@dataclass(frozen=True, slots=True)
class OwedIndex:
    """Reads OwedIndex. It is eventually consistent: read the record itself before acting on a row."""

    client: DynamoDBClient
    table: str

    def of(self, kind: Owed, shard: int) -> list[OwedRow]:
        """Soonest due first, at most `PAGES` pages of `PAGE` rows: a count beyond that is a minimum."""
        request = owed_query(self.table, kind, shard, PAGE)
        found: list[OwedRow] = []
        for _ in range(PAGES):
            with retryable("owed_query"):
                reply = readable("owed_query", self.client.query(**request))
            rows = map(from_item, reply.get("Items", []))
            found += [
                OwedRow(row["userId"], usable_time(row.get("owedSince")) or row["dueAt"], row["dueAt"]) for row in rows
            ]
            if "LastEvaluatedKey" not in reply:
                break
            request["ExclusiveStartKey"] = reply["LastEvaluatedKey"]
        return found
