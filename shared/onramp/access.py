"""Whether a Cognito token belongs to a user with a record, for applications: copy the three steps, or import this."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onramp.adapters.users import UserTable
from onramp.domain.users import User

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


def user_of_token(client: DynamoDBClient, users_table: str, sub: str) -> User | None:
    """The record of a token's `sub`, with its roles; None means no access. Raises RetryableError.

    The index may lag behind a write by seconds and still lead from a sub to a record that was relinked away: so the
    record is read consistently, and its own sub decides. None may also mean that the user confirmed a moment ago.
    """
    users = UserTable(client, users_table)
    holder = users.holder_of(sub)
    user = users.get(holder) if holder else None
    return user if user and user.cognito_sub == sub else None
