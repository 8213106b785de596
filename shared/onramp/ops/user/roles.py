"""A change of roles: docs/protocol.md's "admin edit". Named attributes only, and only over the roles that were read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onramp.adapters.aws import condition_holds
from onramp.adapters.items import to_values
from onramp.domain.trust import NOBODY
from onramp.domain.users import DEFAULT_ROLES, User
from onramp.ops.common.errors import UsageError
from onramp.ops.user.lookup import StoredUser

OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class RoleChange:
    """`vouches`: the operator vouches for the address, which then stands in the record."""

    user: User
    before: tuple[str, ...]
    after: tuple[str, ...]
    vouches: bool

    @property
    def nothing(self) -> bool:
        return self.before == self.after and not self.vouches


def plan_role_change(
    user: User, *, add: Sequence[str], remove: Sequence[str], replace: Sequence[str], vouch: bool
) -> RoleChange:
    """Raises DeskError where a record that nobody vouched for would be raised."""
    after = tuple(replace) if replace else tuple(role for role in user.roles if role not in remove)
    after = tuple(dict.fromkeys((*after, *add)))
    raised = set(after) - set(user.roles) - set(DEFAULT_ROLES)
    unproved = user.email_vouched_by == NOBODY
    if unproved and raised and not vouch:
        raise UsageError(
            f"nobody vouches for this address, so whoever signed up with it may be anybody: do not give them"
            f" {', '.join(sorted(raised))} before you know who they are. Then say --vouch."
        )
    return RoleChange(user, user.roles, after, vouches=vouch and unproved)


@dataclass(frozen=True, slots=True)
class Roles:
    client: Any
    table: str

    def write(self, change: RoleChange, person: StoredUser, now: int) -> bool:
        """False where roles or voucher are no longer those that were read: nothing was written."""
        values: dict[str, Any] = {":roles": list(change.after), ":now": now}
        sets = ["#roles = :roles", "updatedAt = :now"]
        if change.vouches:
            sets.append("emailVouchedBy = :operator")
            values[":operator"] = OPERATOR
        conditions = ["attribute_exists(userId)"]
        for path, name in (("#roles", "roles"), ("emailVouchedBy", "emailVouchedBy")):
            # As it is stored: an administrator's tool may have written a set or a single word.
            if (stored := (person.record or {}).get(name)) is None:
                conditions.append(f"attribute_not_exists({path})")
            else:
                conditions.append(f"{path} = :read_{name}")
                values[f":read_{name}"] = stored
        return condition_holds(
            self.client.update_item,
            TableName=self.table,
            Key={"userId": {"S": change.user.user_id}},
            UpdateExpression=f"SET {', '.join(sets)}",
            ConditionExpression=" AND ".join(conditions),
            ExpressionAttributeNames={"#roles": "roles"},
            ExpressionAttributeValues=to_values(values),
        )
