"""Whether a resource policy lets an AWS service in: as far as the policies of a trigger and of a queue go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any


class Grant(StrEnum):
    NONE = "none"
    """Nobody lets it in."""
    OPEN = "open"
    """It is let in, but on anybody's behalf: no SourceArn narrows it."""
    NARROW = "narrow"
    """It is let in for this source."""


def granted(policy: Mapping[str, Any], *, service: str, action: str, source: str, account: str) -> Grant:
    """What `policy` grants `service` that acts for the resource `source` of `account`."""
    best = Grant.NONE
    for statement in _listed(policy.get("Statement")):
        if not (_names(statement.get("Principal"), service) and _covers(statement.get("Action"), action)):
            continue
        conditions = dict(_conditions(statement))
        if statement.get("Effect") == "Deny":
            if not conditions:
                return Grant.NONE
            continue  # a condition that we do not read, such as "not over plain http"
        if not (_holds(conditions, "aws:sourcearn", source) and _holds(conditions, "aws:sourceaccount", account)):
            continue
        narrow = best is Grant.NARROW or "aws:sourcearn" in conditions
        best = Grant.NARROW if narrow else Grant.OPEN
    return best


def _names(principal: Any, service: str) -> bool:
    if isinstance(principal, Mapping):
        return service in _listed(principal.get("Service")) or "*" in _listed(principal.get("AWS"))
    return bool(principal == "*")


def _covers(actions: Any, action: str) -> bool:
    return any(fnmatchcase(action.lower(), str(pattern).lower()) for pattern in _listed(actions))


def _conditions(statement: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """By condition key, in lower case: AWS does not mind its case, and writes it differently by service."""
    for tests in (statement.get("Condition") or {}).values():
        for key, values in tests.items():
            yield str(key).lower(), _listed(values)


def _holds(conditions: Mapping[str, list[Any]], key: str, value: str) -> bool:
    return key not in conditions or any(fnmatchcase(value, str(pattern)) for pattern in conditions[key])


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
