"""Makes a failing schedule smaller: steps and faults are removed as long as the same invariant is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from tests.simulation.runner import RunResult, run_schedule
from tests.simulation.schedules import Schedule, Spot, Step

T = TypeVar("T")
Fails = Callable[[Schedule], bool]
MAX_RUNS = 400


def shrink(schedule: Schedule, result: RunResult) -> Schedule:
    """First written out instead of drawn, then smaller; unchanged if it does not fail when written out."""
    runs_left = MAX_RUNS

    def fails(smaller: Schedule) -> bool:
        nonlocal runs_left
        runs_left -= 1
        return runs_left > 0 and bool(run_schedule(smaller).broken.keys() & result.broken.keys())

    written = replace(schedule, fault_rate=0.0, faults=dict(result.injected))
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
        if fails(with_faults(earlier := _without_process(process, faults))):
            faults = earlier
            break
    schedule = with_faults(faults)
    steps = _without(list(schedule.steps), lambda kept: fails(with_steps(kept)))
    schedule = with_steps(steps)
    simpler: list[dict[str, Any]] = [
        {"random_timing": False},
        {"lag": 0.0},
        {"page": 60},
        {"pool_skew": 0.0},
        {"settings": {}},
    ]
    for change in simpler:
        if fails(candidate := replace(schedule, **change)):
            schedule = candidate
    return schedule


def _without_process(process: str, faults: list[tuple[Spot, str]]) -> list[tuple[Spot, str]]:
    """Removes the faults of one process, such as `worker-nia-2`; those of `worker-nia-3` move to `worker-nia-2`."""
    name, _, number = process.rpartition("-")

    def renumbered(other: str) -> str:
        same, _, count = other.rpartition("-")
        later = same == name and count.isdecimal() and number.isdecimal() and int(count) > int(number)
        return f"{same}-{int(count) - 1}" if later else other

    return [((renumbered(other), call), fault) for (other, call), fault in faults if other != process]


def _without(items: list[T], fails: Callable[[list[T]], bool]) -> list[T]:
    """Removes halves, then quarters, down to single items, as long as the rest fails."""
    size = len(items)
    while size >= 1:
        for start in _starts(len(items), size):
            kept = items[:start] + items[start + size :]
            if len(kept) < len(items) and fails(kept):
                items = kept
        size //= 2
    return items


def _starts(count: int, size: int) -> Iterator[int]:
    """From the end, so that a removal does not move the items that are still to be tried."""
    return iter(range((count - 1) // size * size if count else 0, -1, -size))


def describe(schedule: Schedule) -> str:
    """A schedule as text."""
    lines = [f"seed {schedule.seed}, random timing {schedule.random_timing}, lag {schedule.lag}, {schedule.settings}"]
    for step in schedule.steps:
        person = f"{step.person.name}/{step.person.number} ({step.person.trust}) " if step.person else ""
        lines.append(f"{step.at:12.3f} {step.label} {person}{dict(step.args) or ''}")
    lines += [f"       fault {process} {call}: {fault}" for (process, call), fault in schedule.faults.items()]
    return "\n".join(lines)
