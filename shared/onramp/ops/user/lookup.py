"""Finds one user by e-mail address or sub: the record and the profile as they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from onramp.adapters.items import from_item
from onramp.adapters.profile_rows import profile_from
from onramp.adapters.users import UserTable, user_from
from onramp.domain.identity import canonical_email, usable_sub
from onramp.domain.users import Profile, User
from onramp.ops.common.errors import UsageError
from onramp.ops.common.next_steps import next_step
from onramp.ops.common.text import masked_email

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

Row = Mapping[str, Any]


def parse_email(text: str) -> str:
    """The canonical form. Raises UsageError."""
    if email := canonical_email(text):
        return email
    raise UsageError(f"'{text}' is not a usable e-mail address (ASCII, name@domain, no spaces).")


@dataclass(frozen=True, slots=True)
class UserIdentifier:
    """An e-mail address or a sub, the other is None. `text` is as it was typed.

    Cognito makes subs in lower case, so a sub that was typed in capitals is the same sub.
    """

    text: str
    email: str | None
    sub: str | None

    @classmethod
    def of(cls, text: str) -> UserIdentifier:
        """Raises UsageError."""
        email, sub = canonical_email(text), usable_sub(text)
        if not email and not sub:
            raise UsageError(f"'{text}' is neither an e-mail address nor a Cognito sub.")
        return cls(text, email, sub and sub.lower())

    @property
    def sub_spellings(self) -> tuple[str, ...]:
        """The sub in lower case, then as it was typed: stored subs stay as they came."""
        return tuple(dict.fromkeys((self.sub, self.text))) if self.sub else ()

    def label(self, *, reveal: bool = False) -> str:
        """The sub, or the address, which is masked without `reveal`."""
        return self.sub or (str(self.email) if reveal else masked_email(str(self.email)))


@dataclass(frozen=True, slots=True)
class StoredUser:
    """`record` and `profile_row` are rows as stored; `user` and `profile` are the same as the pipeline reads them."""

    record: Row | None
    profile_row: Row | None
    user: User | None
    profile: Profile | None


@dataclass(frozen=True, slots=True)
class UserLookup:
    client: DynamoDBClient
    users_table: str
    profiles_table: str

    def find(self, identifier: UserIdentifier) -> StoredUser:
        """Consistent reads, except the index from a sub to its record, which may lag behind by seconds."""
        user_id = identifier.email or self._holder_of(identifier)
        item = self._item(self.users_table, user_id) if user_id else None
        user = user_from(item) if item else None
        subs = (user.cognito_sub,) if user else identifier.sub_spellings
        profiles = (self._item(self.profiles_table, sub) for sub in subs if sub)
        profile = next(filter(None, profiles), None)
        return StoredUser(
            record=from_item(item) if item else None,
            profile_row=from_item(profile) if profile else None,
            user=user,
            profile=profile_from(profile) if profile else None,
        )

    def profile_of(self, sub: str) -> Row | None:
        """A consistent read."""
        item = self._item(self.profiles_table, sub)
        return from_item(item) if item else None

    def find_record(self, email: str) -> tuple[StoredUser, User]:
        """The rows, and the record among them. Raises UsageError where the address has no record."""
        user_id = parse_email(email)
        stored = self.find(UserIdentifier(email, user_id, None))
        if stored.user is None:
            raise UsageError(f"{masked_email(user_id)} has no record: {next_step('no_record')}")
        return stored, stored.user

    def _holder_of(self, identifier: UserIdentifier) -> str | None:
        users = UserTable(self.client, self.users_table)
        return next(filter(None, map(users.holder_of, identifier.sub_spellings)), None)

    def _item(self, table: str, key: str) -> dict[str, Any] | None:
        reply = self.client.get_item(TableName=table, Key={"userId": {"S": key}}, ConsistentRead=True)
        return reply.get("Item")
