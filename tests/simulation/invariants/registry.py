"""The registered invariants, by the moment at which each is checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Moment = Literal[
    "written",
    "published",
    "answered",
    "raised",
    "acknowledged",
    "dead_lettered",
    "provisioned",
    "customer_created",
    "queued",
    "drained",
    "recovered",
    "redriven",
    "replayed",
]
Check = Callable[..., str | None]


@dataclass(frozen=True)
class Invariant:
    name: str
    sentence: str
    check: Check


REGISTERED: dict[Moment, list[Invariant]] = {}


def holds(*moments: Moment) -> Callable[[Check], Check]:
    """Registers a check under its name; its docstring is the sentence that a failure quotes."""

    def register(check: Check) -> Check:
        for moment in moments:
            sentence = " ".join((check.__doc__ or "").split())
            REGISTERED.setdefault(moment, []).append(Invariant(check.__name__, sentence, check))
        return check

    return register
