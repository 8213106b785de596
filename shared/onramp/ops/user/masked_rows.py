"""Rows for the eye: what is not known to be harmless is masked, since administrators add fields of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onramp.ops.common.masking import mask_field
from onramp.ops.common.output import Output
from onramp.ops.common.when import clock
from onramp.ops.user.lookup import Row, StoredUser

HARMLESS = frozenset(
    {
        "cognitoSub", "userPoolId", "roles", "onboarding", "identityProvider", "emailVouchedBy", "createdAt",
        "updatedAt", "linkedAt", "owed", "owedSince", "dueAt", "stripeCustomerId", "revenueCatId", "provisioningStatus",
        "state", "attempts", "errorCode", "at", "codeVersion", "epoch", "key", "relinkedFrom", "relinkedTo",
    }
)  # fmt: skip
FIRST = ("userId", "sub", "cognitoSub", "userPoolId", "roles", "onboarding", "provisioningStatus")
TIMES = ("createdAt", "updatedAt", "linkedAt", "owedSince", "dueAt", "at")


def user_data(person: StoredUser, *, reveal: bool) -> dict[str, Any]:
    profile = dict(person.profile) if person.profile else None
    if profile:
        profile["sub"] = profile.pop("userId")  # by its meaning: a record's userId is an address
    return {"record": _row(person.record, reveal=reveal), "profile": _row(profile, reveal=reveal, harmless=("sub",))}


def _row(row: Row | None, *, reveal: bool, harmless: tuple[str, ...] = ()) -> dict[str, Any] | None:
    if row is None:
        return None
    ordered = {name: row[name] for name in sorted(row, key=_place)}
    if reveal:
        return ordered
    return {
        name: value if name in harmless else mask_field(name, value, HARMLESS, mask_numbers=True)
        for name, value in ordered.items()
    }


def _place(name: str) -> tuple[int, str]:
    return (FIRST.index(name), "") if name in FIRST else (len(FIRST), name)


def show_user(out: Output, data: Mapping[str, Any]) -> None:
    for title in ("record", "profile"):
        row = data[title]
        out.line(title, "bold")
        out.facts(dict(_flat(row)) if row else {"  ": "there is none"})


def _flat(row: Mapping[str, Any], prefix: str = "  ") -> list[tuple[str, object]]:
    facts: list[tuple[str, object]] = []
    for name, value in row.items():
        if isinstance(value, dict):
            facts += _flat(value, f"{prefix}{name}.") if value else [(f"{prefix}{name}", "{}")]
        elif name in TIMES and isinstance(value, int):
            facts.append((f"{prefix}{name}", clock(value)))
        else:
            facts.append((f"{prefix}{name}", ", ".join(map(str, value)) if isinstance(value, list) else value))
    return facts
