"""`onramp user pre-create`: the record of a user who has not signed up yet. Also the checks that the import shares."""

from __future__ import annotations

from collections.abc import Sequence

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code
from onramp.domain.identity import usable_name
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import CommandFailed, UsageError
from onramp.ops.common.next_steps import next_step
from onramp.ops.common.text import masked_email
from onramp.ops.tables.users import PreCreatedUser, PreCreation
from onramp.ops.user.lookup import parse_email
from onramp.ops.user.wiring import UserWiring

UNREADABLE = ("ParameterNotFound", "AccessDeniedException", "AccessDenied")


def pre_create_user(
    context: OperatorContext, email: str, roles: Sequence[str], given_name: str, family_name: str, *, yes: bool
) -> None:
    records = UserWiring.of(context).records
    names = parse_name(given_name), parse_name(family_name)
    user = PreCreatedUser(parse_email(email), parse_roles(roles, allowed_roles(context)), *names)
    masked, role_list = masked_email(user.user_id), ", ".join(user.roles)
    context.out.confirm(
        f"Creates a record for {user.user_id} with {role_list}. The user who proves to own the address gets it.",
        yes=yes,
    )
    with context.audited("user pre-create", user=masked, roles=role_list) as entry:
        result = records.pre_create(user, context.now())
        entry.count, entry.outcome = int(result is PreCreation.NEW), {"result": result.value}
    if result is PreCreation.IN_THE_WAY:
        raise CommandFailed(f"{masked} has another record, which was not changed: {next_step('another_record')}")
    data = {"user": masked, "roles": list(user.roles), "result": result.value}
    created = result is PreCreation.NEW
    context.out.result(data, lambda: context.out.line("Created." if created else "The same record exists already."))


def allowed_roles(context: OperatorContext) -> tuple[str, ...]:
    """AllowedRoles, from the stack's SSM parameter; where that is absent or denied, from the stack's parameters."""
    try:
        reply = context.client("ssm").get_parameter(Name=f"/onramp/{context.name}/AllowedRoles")
        roles = reply["Parameter"]["Value"]
    except ClientError as error:
        if error_code(error) not in UNREADABLE:
            raise
        roles = context.parameters.get("AllowedRoles", "")
    return tuple(role.strip() for role in roles.split(",") if role.strip())


def parse_roles(roles: Sequence[str], allowed: Sequence[str]) -> tuple[str, ...]:
    """Each role once, in the order given. Raises UsageError."""
    if unknown := [role for role in roles if role not in allowed]:
        raise UsageError(f"this stack has no role '{unknown[0]}': it allows {', '.join(allowed)} (AllowedRoles).")
    return tuple(dict.fromkeys(roles))


def parse_name(text: str) -> str | None:
    """None for an empty name. Raises UsageError."""
    if not text.strip():
        return None
    name = usable_name(text)
    if name != text.strip():
        raise UsageError("a name has more than 256 characters, or contains control characters")
    return name
