"""Makes a failing schedule smaller: steps and faults are left out as long as the same promise is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from tests.simulation.reckoning import Verdict, play
from tests.simulation.schedules import Schedule, Spot, Step

T = TypeVar("T")
Fails = Callable[[Schedule], bool]
MOST_RUNS = 400


def shrink(schedule: Schedule, verdict: Verdict) -> Schedule:
    """Written out instead of drawn, then smaller; the schedule itself where it does not fail when written out."""
    left = MOST_RUNS

    def fails(smaller: Schedule) -> bool:
        nonlocal left
        left -= 1
        return left > 0 and bool(play(smaller).broken.keys() & verdict.broken.keys())

    written = replace(schedule, rate=0.0, faults=dict(verdict.struck))
    if not fails(written):
        return schedule
    while (smaller := _smaller(written, fails)) != written:
        written = smaller
    return written


def _smaller(schedule: Schedule, fails: Fails) -> Schedule:
    def with_faults(faults: Sequence[tuple[Spot, str]]) -> Schedule:
        return replace(schedule, faults=dict(faults))

    def with_steps(steps: Sequence[Step]) -> Schedule:
        return replace(schedule, steps=tuple(steps))

    faults = _without(list(schedule.faults.items()), lambda kept: fails(with_faults(kept)))
    for process in dict.fromkeys(process for (process, _), _ in faults):
        if fails(with_faults(earlier := _as_if_never(process, faults))):
            faults = earlier
            break
    schedule = with_faults(faults)
    steps = _without(list(schedule.steps), lambda kept: fails(with_steps(kept)))
    schedule = with_steps(steps)
    calmer: list[dict[str, Any]] = [{"rough": False}, {"lag": 0.0}, {"page": 60}, {"pool_skew": 0.0}, {"settings": {}}]
    for simpler in calmer:
        if fails(candidate := replace(schedule, **simpler)):
            schedule = candidate
    return schedule


def _as_if_never(process: str, faults: list[tuple[Spot, str]]) -> list[tuple[Spot, str]]:
    """Without the faults of `worker-nia-2`, and what the third worker suffered befalls the second."""
    name, _, number = process.rpartition("-")

    def moved(other: str) -> str:
        same, _, count = other.rpartition("-")
        later = same == name and count.isdecimal() and number.isdecimal() and int(count) > int(number)
        return f"{same}-{int(count) - 1}" if later else other

    return [((moved(other), call), fault) for (other, call), fault in faults if other != process]


def _without(items: list[T], fails: Callable[[list[T]], bool]) -> list[T]:
    """Halves first, then quarters, down to single ones."""
    size = len(items)
    while size >= 1:
        for start in _starts(len(items), size):
            kept = items[:start] + items[start + size :]
            if len(kept) < len(items) and fails(kept):
                items = kept
        size //= 2
    return items


def _starts(count: int, size: int) -> Iterator[int]:
    """From the back, so that what is left out moves nothing that is still to be tried."""
    return iter(range((count - 1) // size * size if count else 0, -1, -size))


def story(schedule: Schedule) -> str:
    """A schedule as one reads it."""
    lines = [
        f"seed {schedule.seed}, {'rough' if schedule.rough else 'smooth'}, lag {schedule.lag}, {schedule.settings}"
    ]
    for step in schedule.steps:
        who = f"{step.who.name}/{step.who.number} ({step.who.trust}) " if step.who else ""
        lines.append(f"{step.at:12.3f} {step.label} {who}{dict(step.args) or ''}")
    lines += [f"       fault {process} {call}: {fault}" for (process, call), fault in schedule.faults.items()]
    return "\n".join(lines)
