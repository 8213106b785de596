"""What a mutant is, and helpers to write its schedule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.simulation.edits import Change
from tests.simulation.schedules import Person, Schedule, Spot, Step

HOUR = 3600.0
NIA = Person("nia", "nia@example.com")
NIA_AGAIN = replace(NIA, number=1)
OMAR, PIA, QUIN = (Person(name, f"{name}@example.com") for name in ("omar", "pia", "quin"))
ONE_RECEIVE = {"MAX_RECEIVE_COUNT": "1"}
"""A failing message is dead-lettered at once, so that later messages are only those of the schedule."""
TWICE = {"calls": (0.0, 0.0)}
"""Cognito calls the trigger twice at once: two messages, two workers."""


@dataclass(frozen=True)
class Mutant:
    """`caught_by`: the invariants that break. `alone`: no other one breaks."""

    name: str
    without: str
    changes: tuple[Change, ...]
    schedule: Schedule
    caught_by: frozenset[str]
    alone: bool

    def applied(self) -> AbstractContextManager[None]:
        return changed(self.changes)


@contextmanager
def changed(changes: tuple[Change, ...]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for change in changes:
            change.apply(patch)
        yield


@dataclass(frozen=True)
class Covered:
    """A guard that another one covers: without it no invariant breaks on this schedule, for the reason in `why`."""

    name: str
    changes: tuple[Change, ...]
    schedule: Schedule
    why: str

    def applied(self) -> AbstractContextManager[None]:
        return changed(self.changes)


def mutant(name: str, without: str, *changes: Change, on: Schedule, only: str = "", by: tuple[str, ...] = ()) -> Mutant:
    return Mutant(name, without, changes, on, frozenset((only,) if only else by), bool(only))


def at(seconds: float, kind: str, person: Person | None = None, **args: Any) -> Step:
    return Step(seconds, kind, person, args)


def plan(
    *steps: Step,
    faults: Mapping[str, str] | None = None,
    waits: Mapping[str, float] | None = None,
    settings: Mapping[str, str] | None = None,
) -> Schedule:
    """Keys of `faults` and `waits` are spots: `worker-nia-1 ProfileTable.mark_ready`. Steps are numbered in order."""
    numbered = tuple(replace(step, number=number) for number, step in enumerate(steps, 1))
    by_spot = {_spot(place): fault for place, fault in (faults or {}).items()}
    pauses = {_spot(place): seconds for place, seconds in (waits or {}).items()}
    return Schedule(numbered, faults=by_spot, waits=pauses, settings=settings or {})


def _spot(place: str) -> Spot:
    process, _, call = place.partition(" ")
    return process, call
