"""The `Users` table: identity and roles. The transitions of what is owed are in `owed.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from onramp.adapters.aws import condition_holds, error_code, readable, retryable
from onramp.adapters.items import from_item, get_many, to_values
from onramp.domain.errors import RetryableError
from onramp.domain.event_data import usable_time
from onramp.domain.identity import usable_name, usable_sub
from onramp.domain.users import Claim, Names, Onboarding, User
from onramp.usecases.signup import Refused, Written

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

SET_IDENTITY = (
    "SET cognitoSub = :sub, userPoolId = :pool, identityProvider = :provider, emailVouchedBy = :voucher,"
    " updatedAt = :now, linkedAt = :now, owed = :owed, owedSince = :now, dueAt = :due"
)
"""Links a record to a Cognito user and owes the event in the same write; `identity_values` has its values."""
_CLAIM = (
    f"{SET_IDENTITY},"
    # The record may be pre-created: what an admin set stays byte for byte.
    " #roles = if_not_exists(#roles, :roles), onboarding = if_not_exists(onboarding, :self_service),"
    " createdAt = if_not_exists(createdAt, :now)"
)
_NAME_ATTRIBUTES = {"givenName": "given_name", "familyName": "family_name", "name": "name"}


@dataclass(frozen=True, slots=True)
class UserTable:
    client: DynamoDBClient
    table: str

    def claim(self, claim: Claim) -> Written | Refused:
        """One write that creates or links the record and owes the event, or the record that prevents it.

        ALL_OLD distinguishes created from linked; ALL_OLD on a failed condition distinguishes a repeated write of our
        own from a conflict, without a second read.
        """
        expression, names, values = _claim_update(claim)
        with retryable("users_update"):
            try:
                reply = self.client.update_item(
                    TableName=self.table,
                    Key={"userId": {"S": claim.user_id}},
                    UpdateExpression=expression,
                    # `may_link` False may only create: it must not take over a pre-created record.
                    ConditionExpression=f"attribute_not_exists({'cognitoSub' if claim.may_link else 'userId'})",
                    ExpressionAttributeNames=names,
                    ExpressionAttributeValues=values,
                    ReturnValues="ALL_OLD",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
            except ClientError as error:
                if error_code(error) != "ConditionalCheckFailedException":
                    raise
                return Refused(user_from(error.response["Item"]))  # type: ignore[typeddict-item]
        before = readable("users_update", reply).get("Attributes")
        return Written(user_from(before, (claim.default_role,)) if before else None)

    def get(self, user_id: str) -> User | None:
        """A consistent read."""
        with retryable("users_get"):
            reply = self.client.get_item(TableName=self.table, Key={"userId": {"S": user_id}}, ConsistentRead=True)
        item = readable("users_get", reply).get("Item")
        return user_from(item) if item else None

    def still_linked(self, user: User) -> bool:
        """Whether the record is linked as it was when `user` was read: no relink since. A consistent read."""
        stored = self.get(user.user_id)
        return stored is not None and (stored.cognito_sub, stored.linked_at) == (user.cognito_sub, user.linked_at)

    def get_many(self, user_ids: Sequence[str]) -> dict[str, User]:
        """By `userId`, read consistently; absent ones are left out."""
        return {user.user_id: user for user in map(user_from, get_many(self.client, self.table, user_ids))}

    def delete(self, user: User) -> bool:
        """False where the record is no longer this sub's: nothing was deleted."""
        with retryable("users_delete"):
            return condition_holds(
                self.client.delete_item,
                TableName=self.table,
                Key={"userId": {"S": user.user_id}},
                ConditionExpression="cognitoSub = :sub",
                ExpressionAttributeValues=to_values({":sub": user.cognito_sub}),
            )

    def holder_of(self, sub: str) -> str | None:
        """The `userId` of the record linked to `sub`, by an index that may lag behind a write by seconds."""
        with retryable("users_query"):
            reply = self.client.query(
                TableName=self.table,
                IndexName="CognitoSubIndex",
                KeyConditionExpression="cognitoSub = :sub",
                ExpressionAttributeValues={":sub": {"S": sub}},
                Limit=1,
            )
        if "Items" not in readable("users_query", reply):
            raise RetryableError("users_query_unreadable")
        items = reply["Items"]
        return str(from_item(items[0])["userId"]) if items else None


def identity_values(claim: Claim) -> dict[str, Any]:
    """The values of `SET_IDENTITY`, as plain Python values."""
    return {
        ":sub": claim.sub,
        ":pool": claim.user_pool_id,
        ":provider": claim.identity_provider,
        ":voucher": claim.email_vouched_by,
        ":now": claim.at,
        ":owed": claim.owed,
        ":due": claim.due_at,
    }


def _claim_update(claim: Claim) -> tuple[str, dict[str, str], dict[str, Any]]:
    values: dict[str, Any] = {
        **identity_values(claim),
        ":roles": [claim.default_role],
        ":self_service": Onboarding.SELF_SERVICE.value,
    }
    expression, names = _CLAIM, {"#roles": "roles"}
    for attribute, field in _NAME_ATTRIBUTES.items():
        if (value := getattr(claim.names, field)) is not None:
            expression += f", #{field} = if_not_exists(#{field}, :{field})"
            names[f"#{field}"] = attribute
            values[f":{field}"] = value
    return expression, names, to_values(values)


def user_from(item: dict[str, Any], roles_if_absent: tuple[str, ...] = ()) -> User:
    """From a row as DynamoDB returns it. Lenient: admins write this table too."""
    row = from_item(item)
    return User(
        user_id=row["userId"],
        roles=_roles(row.get("roles", roles_if_absent)),
        onboarding=_onboarding(row.get("onboarding", Onboarding.SELF_SERVICE)),
        cognito_sub=row.get("cognitoSub"),
        user_pool_id=_word(row.get("userPoolId")),
        identity_provider=_word(row.get("identityProvider")),
        email_vouched_by=_word(row.get("emailVouchedBy")),
        # An unusable name is present, so the claim does not fill it in; it is read as empty.
        names=Names(*((usable_name(row[n]) or "") if n in row else None for n in _NAME_ATTRIBUTES)),
        created_at=usable_time(row.get("createdAt")),
        updated_at=usable_time(row.get("updatedAt")),
        linked_at=usable_time(row.get("linkedAt")),
        linked_before=_subs(row.get("linkedBefore")),
        owed=row.get("owed"),
        owed_since=usable_time(row.get("owedSince")),
        due_at=row.get("dueAt"),
    )


def _subs(value: object) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, map(usable_sub, value)))) if isinstance(value, list) else ()


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _onboarding(value: object) -> Onboarding:
    """Any other word of an admin means pre-created: the event contract has two values."""
    return Onboarding.SELF_SERVICE if value == Onboarding.SELF_SERVICE else Onboarding.PRE_CREATED


def _roles(value: object) -> tuple[str, ...]:
    """A list; an admin may have written a set or a single word. Any other value means no roles."""
    match value:
        case str():
            return (value,)
        case list() | set() | tuple():
            words = [role for role in value if isinstance(role, str)]
            return tuple(sorted(words) if isinstance(value, set) else words)
    return ()
