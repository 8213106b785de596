"""The writes that operators make to `Users`: pre-create, roles, relink, delete. Their conditions: docs/protocol.md.

A record is never read and put back as a whole: an update names its attributes and checks what the operator saw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from onramp.adapters.aws import condition_holds, error_code
from onramp.adapters.items import from_item, to_values
from onramp.adapters.users import SET_IDENTITY, identity_values
from onramp.domain.users import Claim, Onboarding, User

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

OPERATOR = "operator"
"""The value of `emailVouchedBy` where an operator vouches for the address."""


class PreCreation(StrEnum):
    """The result of one pre-create. ALREADY: the same pre-created record exists. IN_THE_WAY: another record does."""

    NEW = "new"
    ALREADY = "already"
    IN_THE_WAY = "in_the_way"


@dataclass(frozen=True, slots=True)
class PreCreatedUser:
    """A record that an administrator writes before the user signs up."""

    user_id: str
    roles: tuple[str, ...]
    given_name: str | None = None
    family_name: str | None = None

    def row(self, now: int) -> dict[str, Any]:
        names = {"givenName": self.given_name, "familyName": self.family_name}
        return {
            "userId": self.user_id,
            "roles": list(self.roles),
            "onboarding": Onboarding.PRE_CREATED.value,
            "createdAt": now,
            "updatedAt": now,
            **{name: value for name, value in names.items() if value is not None},
        }

    def compared_with(self, row: Mapping[str, Any] | None) -> PreCreation:
        """What a write would meet, given the stored row. A record that is linked already is always IN_THE_WAY."""
        if row is None:
            return PreCreation.NEW
        wanted = self.row(0)
        same = all(row.get(name) == wanted.get(name) for name in ("roles", "onboarding", "givenName", "familyName"))
        return PreCreation.ALREADY if same and "cognitoSub" not in row else PreCreation.IN_THE_WAY


@dataclass(frozen=True, slots=True)
class UserWrites:
    client: DynamoDBClient
    table: str

    def pre_create(self, user: PreCreatedUser, now: int) -> PreCreation:
        """ALREADY is also the answer to a write whose first reply was lost and which the SDK repeated."""
        try:
            self.client.put_item(
                TableName=self.table,
                Item=to_values(user.row(now)),
                ConditionExpression="attribute_not_exists(userId)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            response: Any = error.response
            return user.compared_with(from_item(response["Item"]))
        return PreCreation.NEW

    def set_roles(self, record: Mapping[str, Any], roles: Sequence[str], now: int, *, vouch: bool) -> bool:
        """Replaces the roles of `record`, a row as it was read. `vouch`: the operator vouches for the address.

        False, and nothing is written, where the stored roles or `emailVouchedBy` differ from the row.
        """
        values: dict[str, Any] = {":roles": list(roles), ":now": now}
        assignments = ["#roles = :roles", "updatedAt = :now"]
        if vouch:
            assignments.append("emailVouchedBy = :operator")
            values[":operator"] = OPERATOR
        conditions = ["attribute_exists(userId)"]
        for path, name in (("#roles", "roles"), ("emailVouchedBy", "emailVouchedBy")):
            # Compared as stored: an administrator's tool may have written a set or a single word.
            if (stored := record.get(name)) is None:
                conditions.append(f"attribute_not_exists({path})")
            else:
                conditions.append(f"{path} = :read_{name}")
                values[f":read_{name}"] = stored
        return condition_holds(
            self.client.update_item,
            TableName=self.table,
            Key=_key(record["userId"]),
            UpdateExpression=f"SET {', '.join(assignments)}",
            ConditionExpression=" AND ".join(conditions),
            ExpressionAttributeNames={"#roles": "roles"},
            ExpressionAttributeValues=to_values(values),
        )

    def relink(self, user: User, claim: Claim) -> bool:
        """Links the record to another sub, and owes `emit` in the same write. `user`: the record as it was read.

        This one write is the whole relink: the new sub's worker inherits what the earlier subs in `linkedBefore` began.
        The new `linkedAt` is later than the one before at any clock. False, and nothing is written, where the record
        was relinked after it was read: by its sub, and by `linkedAt` for A -> B -> A.
        """
        later = replace(claim, at=max(claim.at, (user.linked_at or 0) + 1))
        earlier = list(dict.fromkeys((*user.linked_before, str(user.cognito_sub))))
        values = {**identity_values(later), ":before": earlier, ":old": user.cognito_sub}
        condition = "cognitoSub = :old"
        if user.linked_at is not None:  # an edit by hand may have removed it
            condition, values[":read"] = f"{condition} AND linkedAt = :read", user.linked_at
        return condition_holds(
            self.client.update_item,
            TableName=self.table,
            Key=_key(user.user_id),
            UpdateExpression=f"{SET_IDENTITY}, linkedBefore = :before",
            ConditionExpression=condition,
            ExpressionAttributeValues=to_values(values),
        )

    def delete(self, user_id: str, sub: str | None) -> bool:
        """Only while the record is linked to `sub` (None: pre-created and not linked).

        The address may belong to another user by now. False where nothing was deleted.
        """
        if sub is None:
            condition: dict[str, Any] = {
                "ConditionExpression": "attribute_exists(userId) AND attribute_not_exists(cognitoSub)"
            }
        else:
            condition = {
                "ConditionExpression": "cognitoSub = :sub",
                "ExpressionAttributeValues": {":sub": {"S": sub}},
            }
        return condition_holds(self.client.delete_item, TableName=self.table, Key=_key(user_id), **condition)


def _key(user_id: str) -> dict[str, Any]:
    return {"userId": {"S": user_id}}
