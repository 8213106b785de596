"""Somebody by e-mail address or sub, as the tables hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onramp.adapters.items import from_item
from onramp.adapters.users import UserTable, user_from
from onramp.domain.identity import canonical_email, usable_sub
from onramp.domain.users import User
from onramp.ops.common.errors import UsageError
from onramp.ops.common.text import masked_email

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class UserIdentifier:
    """What somebody was asked for by: exactly one of the two. `text` is as it was typed."""

    text: str
    email: str | None
    sub: str | None

    @classmethod
    def of(cls, text: str) -> UserIdentifier:
        """Raises DeskError."""
        email, sub = canonical_email(text), usable_sub(text)
        if not email and not sub:
            raise UsageError(f"'{text}' is neither an e-mail address nor a Cognito sub.")
        return cls(text, email, sub)

    def shown(self, *, reveal: bool = False) -> str:
        return self.sub or (str(self.email) if reveal else masked_email(str(self.email)))


@dataclass(frozen=True, slots=True)
class StoredUser:
    """Rows as they are stored; `user` is the record as the pipeline reads it."""

    record: Row | None
    profile: Row | None
    user: User | None

    @property
    def provisioning(self) -> dict[str, dict[str, Any]]:
        """The step records, and Stripe's intent beside them."""
        found = (self.profile or {}).get("provisioning")
        return {name: row for name, row in found.items() if isinstance(row, dict)} if isinstance(found, dict) else {}

    @property
    def steps(self) -> dict[str, dict[str, Any]]:
        return {name: row for name, row in self.provisioning.items() if "state" in row}

    @property
    def status(self) -> str | None:
        return (self.profile or {}).get("provisioningStatus")


@dataclass(frozen=True, slots=True)
class UserLookup:
    client: Any
    users_table: str
    profiles_table: str

    def find(self, name: UserIdentifier) -> StoredUser:
        """Consistent reads, but for the index that leads from a sub to its record."""
        user_id = name.email or UserTable(self.client, self.users_table).holder_of(str(name.sub))
        item = self._item(self.users_table, user_id) if user_id else None
        user = user_from(item) if item else None
        sub = user.cognito_sub if user else name.sub
        profile = self._item(self.profiles_table, sub) if sub else None
        return StoredUser(from_item(item) if item else None, from_item(profile) if profile else None, user)

    def _item(self, table: str, key: str) -> dict[str, Any] | None:
        reply = self.client.get_item(TableName=table, Key={"userId": {"S": key}}, ConsistentRead=True)
        item: dict[str, Any] | None = reply.get("Item")
        return item
