"""`onramp user roles`: replaces the roles of a record, only over the roles that were read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onramp.domain.trust import NOBODY
from onramp.domain.users import User
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import CommandFailed, UsageError
from onramp.ops.common.text import masked_email
from onramp.ops.tables.users import OPERATOR
from onramp.ops.user.pre_create import allowed_roles, parse_roles
from onramp.ops.user.wiring import UserWiring


@dataclass(frozen=True, slots=True)
class RoleChange:
    """`vouch`: the write also stores that the operator vouches for the address."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    vouch: bool

    @property
    def is_empty(self) -> bool:
        return self.before == self.after and not self.vouch


def change_roles(
    context: OperatorContext,
    email: str,
    add: Sequence[str],
    remove: Sequence[str],
    replace: Sequence[str],
    *,
    vouch: bool,
    yes: bool,
) -> None:
    if bool(replace) == bool(add or remove):
        raise UsageError("name the change: either --add and --remove, or --set.")
    parse_roles([*add, *replace], allowed_roles(context))
    wiring = UserWiring.of(context)
    stored, user = wiring.users.find_record(email)
    change = plan_role_change(
        user, add=add, remove=remove, replace=replace, vouch=vouch, default_role=wiring.default_role
    )
    masked = masked_email(user.user_id)
    before, after = ", ".join(change.before) or "none", ", ".join(change.after) or "none"
    if not change.is_empty:
        vouching = " You vouch for the address." if change.vouch else ""
        context.out.confirm(f"Roles of {masked}: {before} -> {after}.{vouching}", yes=yes)
        voucher = OPERATOR if change.vouch else str(user.email_vouched_by)
        with context.audited("user roles", user=masked, before=before, after=after, vouched=voucher) as entry:
            if not wiring.records.set_roles(stored.record or {}, change.after, context.now(), vouch=change.vouch):
                raise CommandFailed("the record was changed after it was read: check its roles, then run this again.")
            entry.count = 1
    data = {"user": masked, "before": list(change.before), "after": list(change.after), "changed": not change.is_empty}
    unchanged = " (unchanged)" if change.is_empty else ""
    context.out.result(data, lambda: context.out.line(f"{masked}: {after}{unchanged}"))


def plan_role_change(
    user: User, *, add: Sequence[str], remove: Sequence[str], replace: Sequence[str], vouch: bool, default_role: str
) -> RoleChange:
    """Raises UsageError where the address is not verified and the change would add roles without `vouch`."""
    kept = tuple(replace) if replace else tuple(role for role in user.roles if role not in remove)
    after = tuple(dict.fromkeys((*kept, *add)))
    added = set(after) - set(user.roles) - {default_role}
    unverified = user.email_vouched_by == NOBODY
    if unverified and added and not vouch:
        raise UsageError(
            f"this address is not verified: the user may not be its owner. Add {', '.join(sorted(added))} only if you"
            f" know the user, with --vouch."
        )
    return RoleChange(user.roles, after, vouch=vouch and unverified)
