"""`onramp user show`: the stored rows. Administrators add attributes of their own, so unknown ones are masked."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from onramp.domain.event_data import usable_time
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.masking import Path, known_paths, mask
from onramp.ops.common.output import Output
from onramp.ops.common.when import format_time
from onramp.ops.user.lookup import Row, StoredUser, UserIdentifier
from onramp.ops.user.pool_matches import report_no_record
from onramp.ops.user.wiring import UserWiring

RECORD = known_paths(
    "cognitoSub", "userPoolId", "roles.[]", "onboarding", "identityProvider", "emailVouchedBy", "createdAt",
    "updatedAt", "linkedAt", "linkedBefore", "owed", "owedSince", "dueAt",
)  # fmt: skip
PROFILE = known_paths(
    "sub", "createdAt", "updatedAt", "stripeCustomerId", "revenueCatId", "provisioningStatus",
    "provisioning.*.state", "provisioning.*.attempts", "provisioning.*.errorCode", "provisioning.*.at",
    "provisioning.*.codeVersion", "provisioning.*.epoch", "provisioning.*.key", "provisioning.*.createdAt",
    "provisioning.*.link",
)  # fmt: skip
FIRST = ("userId", "sub", "cognitoSub", "userPoolId", "roles", "onboarding", "provisioningStatus")
TIMES = ("createdAt", "updatedAt", "linkedAt", "owedSince", "dueAt", "at")


def show_user(context: OperatorContext, identifier: UserIdentifier, *, reveal: bool) -> bool:
    """Whether the user has a record or a profile."""
    wiring = UserWiring.of(context)
    with context.audit_reveal("user show", reveal=reveal, user=identifier.label()) as entry:
        stored = wiring.users.find(identifier)
        if stored.record is None and stored.profile_row is None:
            entry.count = report_no_record(context, wiring.pool_matches, identifier, reveal=reveal)
            return False
        data, entry.count = rows_data(stored, reveal=reveal), 1
    context.out.result(data, lambda: print_rows(context.out, data))
    return True


def rows_data(stored: StoredUser, *, reveal: bool) -> dict[str, Any]:
    profile = dict(stored.profile_row) if stored.profile_row else None
    if profile:
        profile["sub"] = profile.pop("userId")  # in `Users` this attribute is an address
    return {"record": _row(stored.record, RECORD, reveal=reveal), "profile": _row(profile, PROFILE, reveal=reveal)}


def _row(row: Row | None, known: Collection[Path], *, reveal: bool) -> dict[str, Any] | None:
    if row is None:
        return None
    ordered = {name: row[name] for name in sorted(row, key=_position)}
    return ordered if reveal else dict(mask(ordered, known))


def _position(name: str) -> tuple[int, str]:
    return (FIRST.index(name), "") if name in FIRST else (len(FIRST), name)


def print_rows(out: Output, data: Mapping[str, Any]) -> None:
    for title in ("record", "profile"):
        row = data[title]
        out.line(title, "bold")
        out.facts(dict(_flat(row)) if row else {"  ": "none"})


def _flat(row: Mapping[str, Any], prefix: str = "  ") -> list[tuple[str, object]]:
    """Name and value of each attribute; one inside another is named `outer.inner`."""
    facts: list[tuple[str, object]] = []
    for name, value in row.items():
        if isinstance(value, dict):
            facts += _flat(value, f"{prefix}{name}.") if value else [(f"{prefix}{name}", "{}")]
        elif name in TIMES and (at := usable_time(value)) is not None:
            facts.append((f"{prefix}{name}", format_time(at)))
        else:
            facts.append((f"{prefix}{name}", ", ".join(map(str, value)) if isinstance(value, list) else value))
    return facts
