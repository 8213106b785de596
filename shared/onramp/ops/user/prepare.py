"""Records that an administrator prepares: docs/protocol.md's "pre-create", never over anything that is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code
from onramp.adapters.items import from_item, to_values
from onramp.domain.identity import usable_name
from onramp.domain.users import Onboarding
from onramp.ops.common.errors import UsageError

NEW, ALREADY, IN_THE_WAY = "new", "already", "in_the_way"


@dataclass(frozen=True, slots=True)
class Prepared:
    user_id: str
    roles: tuple[str, ...]
    given_name: str | None = None
    family_name: str | None = None

    def item(self, now: int) -> dict[str, Any]:
        names = {"givenName": self.given_name, "familyName": self.family_name}
        return {
            "userId": self.user_id,
            "roles": list(self.roles),
            "onboarding": Onboarding.PRE_CREATED.value,
            "createdAt": now,
            "updatedAt": now,
            **{name: value for name, value in names.items() if value is not None},
        }

    def is_there(self, row: Mapping[str, Any]) -> bool:
        """Whether the record says the same; since when is nobody's concern. A linked one is no preparation."""
        wanted = self.item(0)
        same = all(row.get(name) == wanted.get(name) for name in ("roles", "onboarding", "givenName", "familyName"))
        return same and "cognitoSub" not in row


@dataclass(frozen=True, slots=True)
class Preparations:
    client: Any
    table: str

    def write(self, prepared: Prepared, now: int) -> str:
        """NEW, ALREADY (the same preparation stands there: a repetition, or a lost reply) or IN_THE_WAY."""
        try:
            self.client.put_item(
                TableName=self.table,
                Item=to_values(prepared.item(now)),
                ConditionExpression="attribute_not_exists(userId)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            standing: Any = error.response
            return self.compared(prepared, from_item(standing["Item"]))
        return NEW

    @staticmethod
    def compared(prepared: Prepared, row: Mapping[str, Any] | None) -> str:
        """What a write would find."""
        if row is None:
            return NEW
        return ALREADY if prepared.is_there(row) else IN_THE_WAY


def checked_roles(roles: list[str], allowed: tuple[str, ...]) -> tuple[str, ...]:
    """Each once, in the order given. Raises DeskError."""
    if unknown := [role for role in roles if role not in allowed]:
        raise UsageError(f"this stack has no role '{unknown[0]}': it allows {', '.join(allowed)} (AllowedRoles).")
    return tuple(dict.fromkeys(roles))


def checked_name(text: str) -> str | None:
    """None for an empty one. Raises DeskError."""
    if not text.strip():
        return None
    name = usable_name(text)
    if name != text.strip():
        raise UsageError("a name of more than 256 characters, or with control characters in it")
    return name
