"""A schedule as data: people, steps with their times, and faults. `random_schedules.py` draws one from a seed."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Spot = tuple[str, str]
"""Process and call: `("worker-nia-1", "ProfileTable.mark_ready")`; its second such call is `...mark_ready@2`."""

TRUSTED = {"verified": (True, True), "google": (True, True), "google_unverified": (True, False)}
"""`trust` -> (may create a record, may link a pre-created record), as in the design's trust table."""


@dataclass(frozen=True)
class Person:
    """A user in Cognito. `trust` is who vouches for the address, in the words of the design's trust table."""

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
    """One action, `at` seconds after the start. `kind` is a function of one of the `*_steps.py` modules."""

    at: float
    kind: str
    person: Person | None = None
    args: Mapping[str, Any] = field(default_factory=dict)
    number: int = 0

    @property
    def label(self) -> str:
        return f"{self.kind}-{self.number}"


@dataclass(frozen=True)
class Schedule:
    """`faults` and `waits` are written out by spot; `fault_rate` draws further faults at each call."""

    steps: tuple[Step, ...]
    seed: int = 0
    faults: Mapping[Spot, str] = field(default_factory=dict)
    waits: Mapping[Spot, float] = field(default_factory=dict)
    """Seconds that a call takes, instead of the usual latency."""
    fault_rate: float = 0.0
    random_timing: bool = False
    """Latencies, clock skews and cold starts are drawn; otherwise all calls take equally long."""
    lag: float = 0.0
    """Seconds that indexes and ListUsers are behind."""
    page: int = 60
    """Users on a page of ListUsers; below 60, every third page is empty."""
    pool_skew: float = 0.0
    """Seconds that the dates in the user pool are off."""
    settings: Mapping[str, str] = field(default_factory=dict)
