"""A schedule as data: who there is, what happens when, and what goes wrong. `drawing.py` draws one from a seed."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Spot = tuple[str, str]
"""Process and call: `("worker-nia-1", "ProfileTable.mark_ready")`, its second one `...mark_ready@2`."""

TRUSTED = {"verified": (True, True), "google": (True, True), "google_unverified": (True, False)}


@dataclass(frozen=True)
class Person:
    """Somebody in Cognito. `trust` says who vouches for the address, in the words of the design's trust table."""

    name: str
    email: str
    trust: str = "verified"
    number: int = 0

    @property
    def sub(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.name}/{self.number}"))

    @property
    def may_create(self) -> bool:
        return TRUSTED.get(self.trust, (False, False))[0]

    @property
    def may_link(self) -> bool:
        return TRUSTED.get(self.trust, (False, False))[1]


@dataclass(frozen=True)
class Step:
    """Something that somebody does, `at` seconds after the start. `kind` is a function of `actors.py`."""

    at: float
    kind: str
    who: Person | None = None
    args: Mapping[str, Any] = field(default_factory=dict)
    number: int = 0

    @property
    def label(self) -> str:
        return f"{self.kind}-{self.number}"


@dataclass(frozen=True)
class Schedule:
    """`rate` of faults drawn at each call on top of the written ones; `rough`: latencies drawn too, else all alike."""

    steps: tuple[Step, ...]
    seed: int = 0
    faults: Mapping[Spot, str] = field(default_factory=dict)
    waits: Mapping[Spot, float] = field(default_factory=dict)
    rate: float = 0.0
    rough: bool = False
    lag: float = 0.0
    """How many seconds indexes and ListUsers are behind."""
    page: int = 60
    """How many users ListUsers has on a page; every third page is empty where that is less than 60."""
    pool_skew: float = 0.0
    """How many seconds the dates in the user pool are off."""
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def people(self) -> list[Person]:
        return list(dict.fromkeys(step.who for step in self.steps if step.who))
