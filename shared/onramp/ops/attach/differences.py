"""Two descriptions of a pool, field by field."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ITS_OWN = frozenset({"LastModifiedDate", "EstimatedNumberOfUsers"})
"""Moves without anybody changing a setting."""


@dataclass(frozen=True, slots=True)
class SettingChange:
    """`setting` as `Policies.PasswordPolicy.MinimumLength`; None where it is absent."""

    setting: str
    before: Any
    after: Any


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[SettingChange]:
    """Every setting that differs. An empty one and an absent one are the same to Cognito, and here."""
    old, new = leaves(before), leaves(after)
    return [
        SettingChange(name, old.get(name), new.get(name))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def leaves(description: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by path, without empty ones and without what moves by itself; lists in one order."""
    return dict(_leaves({name: value for name, value in description.items() if name not in ITS_OWN}, ""))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name))
    elif ".aws:" in path:
        return  # a tag of AWS's own, which nobody may set or take away
    elif isinstance(value, list):
        if value:
            yield path, sorted(value, key=lambda item: json.dumps(item, sort_keys=True, default=str))
    elif value not in (None, ""):
        yield path, value
