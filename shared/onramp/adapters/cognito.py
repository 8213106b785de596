"""Reads user pools: ListUsers, which does not count toward billed monthly users, and DescribeUserPool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code, retryable
from onramp.domain.claims import PoolUser
from onramp.domain.decision import Listed
from onramp.domain.errors import RetryableError, TokenExpired
from onramp.usecases.sweep import Page
from onramp.usecases.trigger_check import PoolDescription

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient

PAGE = 60  # Cognito's maximum


@dataclass(frozen=True, slots=True)
class UserPools:
    client: CognitoIdentityProviderClient

    def matching(self, user_pool_id: str, attribute: str, value: str) -> list[Listed]:
        """The users with exactly this attribute value. A page may be empty without being the last."""
        return self._filtered(user_pool_id, _filter(attribute, "=", value))

    def starting_with(self, user_pool_id: str, attribute: str, prefix: str) -> list[Listed]:
        """The users whose attribute starts with `prefix`. Whether Cognito ignores case here is not documented."""
        return self._filtered(user_pool_id, _filter(attribute, "^=", prefix))

    def first_starting_with(self, user_pool_id: str, attribute: str, prefix: str) -> Page:
        """The first page of them."""
        with retryable("list_users"):
            reply = self.client.list_users(UserPoolId=user_pool_id, Limit=PAGE, Filter=_filter(attribute, "^=", prefix))
        return _page(user_pool_id, reply)

    def _filtered(self, user_pool_id: str, filter_: str) -> list[Listed]:
        found: list[Listed] = []
        with retryable("list_users"):
            for page in self.client.get_paginator("list_users").paginate(UserPoolId=user_pool_id, Filter=filter_):
                found += _page(user_pool_id, page).users
        return found

    def describe(self, user_pool_id: str) -> PoolDescription:
        with retryable("describe_user_pool"):
            reply = self.client.describe_user_pool(UserPoolId=user_pool_id)
        if not (pool := reply.get("UserPool")):
            raise RetryableError("describe_user_pool_unreadable")
        triggers = pool.get("LambdaConfig", {})
        return PoolDescription(user_pool_id, pool.get("EstimatedNumberOfUsers", 0), triggers.get("PostConfirmation"))

    def page(self, user_pool_id: str, token: str | None) -> Page:
        """A page may be empty without being the last. Raises TokenExpired, RetryableError."""
        after: Any = {"PaginationToken": token} if token else {}
        with retryable("list_users"):
            try:
                reply = self.client.list_users(UserPoolId=user_pool_id, Limit=PAGE, **after)
            except ClientError as error:
                if token and error_code(error) == "InvalidParameterException":
                    raise TokenExpired from error
                raise
        return _page(user_pool_id, reply)


def _page(user_pool_id: str, reply: Mapping[str, Any]) -> Page:
    """Raises RetryableError for a reply without a list: read as empty, it would mean that the pool has no such user."""
    if "Users" not in reply:
        raise RetryableError("list_users_unreadable")
    return Page([_listed(user_pool_id, row) for row in reply["Users"]], reply.get("PaginationToken"))


def _filter(attribute: str, comparison: str, value: str) -> str:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{attribute} {comparison} "{quoted}"'


def _listed(user_pool_id: str, row: Mapping[str, Any]) -> Listed:
    attributes = {entry["Name"]: entry.get("Value") for entry in row.get("Attributes", [])}
    modified = row.get("UserLastModifiedDate") or row["UserCreateDate"]
    return Listed(PoolUser(user_pool_id, attributes, row.get("UserStatus")), round(modified.timestamp() * 1000))
