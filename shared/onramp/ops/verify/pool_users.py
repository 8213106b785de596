"""Synthetic users of the pool. AdminCreateUser would not fire the trigger, so they sign up as users do."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient


class SyntheticUser(NamedTuple):
    email: str
    name: str


class Refusal(NamedTuple):
    """A confirmation that the trigger refused. `at` in Unix milliseconds."""

    user: SyntheticUser
    sub: str
    error: str
    at: int


class PoolState(NamedTuple):
    """What the pool says about a user."""

    status: str
    email_verified: str


@dataclass(frozen=True)
class PoolUsers:
    client: CognitoIdentityProviderClient
    pool: str
    client_id: str

    def sign_up(self, user: SyntheticUser) -> str:
        """Returns the sub. The user is UNCONFIRMED; the password is random and not kept."""
        reply = self.client.sign_up(
            ClientId=self.client_id,
            Username=self._username(user),
            Password=f"{secrets.token_urlsafe(24)}-aA1",
            UserAttributes=[{"Name": "email", "Value": user.email}],
        )
        return reply["UserSub"]

    def mark_verified(self, user: SyntheticUser) -> None:
        """What the code of the e-mail does: an administrator's confirmation alone verifies no address."""
        self.client.admin_update_user_attributes(
            UserPoolId=self.pool,
            Username=self._username(user),
            UserAttributes=[{"Name": "email_verified", "Value": "true"}],
        )

    def confirm(self, user: SyntheticUser) -> None:
        self.client.admin_confirm_sign_up(UserPoolId=self.pool, Username=self._username(user))

    def state(self, user: SyntheticUser) -> PoolState:
        reply = self.client.admin_get_user(UserPoolId=self.pool, Username=self._username(user))
        attributes = {entry["Name"]: entry.get("Value", "") for entry in reply["UserAttributes"]}
        return PoolState(reply["UserStatus"], attributes.get("email_verified", "absent"))

    def delete(self, user: SyntheticUser) -> None:
        with suppress(self.client.exceptions.UserNotFoundException):
            self.client.admin_delete_user(UserPoolId=self.pool, Username=self._username(user))

    def _username(self, user: SyntheticUser) -> str:
        return user.email if self._by_email else user.name

    @cached_property
    def _by_email(self) -> bool:
        """Where the address is the username, it must be given; as an alias it must not be."""
        pool = self.client.describe_user_pool(UserPoolId=self.pool)["UserPool"]
        return "email" in pool.get("UsernameAttributes", [])
