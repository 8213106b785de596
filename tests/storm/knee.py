"""The largest rate of signups that is held, by bisection, and the limit that binds there, by relaxing one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.storm.limits import RELAXATIONS, Limits, Relaxation
from tests.storm.pipeline import Outcome
from tests.storm.scenarios import Scenario

HELD_SECONDS = 10.0
"""A rate is held if 95 % of the users are ready within this time, and no signup is refused or not recorded."""
LONGEST, MOST_OBJECTS = 900.0, 6_000
SLOWEST, FASTEST, EXACT = 0.5, 5_000.0, 1.02
ABOVE = 1.03


@dataclass(frozen=True)
class Step:
    """`rate` is held; `relaxation` is the first that raises it, None where no single one does or the search ends."""

    rate: float
    relaxation: Relaxation | None


def try_rate(limits: Limits, rate: float) -> Outcome:
    """Signups for a quarter of an hour, less where that is too many. Cognito's quota stays."""
    grain = 1 if rate < 10 else 10 if limits.concurrency < 100 else 100
    seconds = min(LONGEST, MOST_OBJECTS * grain / rate)
    scenario = Scenario("knee", rate, seconds, grain=grain, raises_quota=False)
    return scenario.run(limits, within=seconds + 10 * HELD_SECONDS)


def is_held(limits: Limits, rate: float) -> bool:
    found = try_rate(limits, rate)
    return not (found.unready or found.refused or found.unrecorded) and found.p95 <= HELD_SECONDS


def knee(limits: Limits, at_least: float = SLOWEST) -> float:
    """Signups a second, to 2 %."""
    low, high = at_least, FASTEST
    while high / low > EXACT:
        middle = (low * high) ** 0.5
        low, high = (middle, high) if is_held(limits, middle) else (low, middle)
    return low


def steps(limits: Limits) -> Iterator[Step]:
    """Relaxes what binds, again and again: the order in which an operator meets the limits."""
    rate = SLOWEST
    while True:
        rate = knee(limits, rate)
        found = _binding(limits, rate * ABOVE) if rate * ABOVE < FASTEST else None
        yield Step(rate, found)
        if found is None:
            return
        limits = found(limits)


def _binding(limits: Limits, rate: float) -> Relaxation | None:
    reached = try_rate(limits, rate).reached
    for relaxation in RELAXATIONS:
        relaxed = relaxation(limits)
        if relaxed != limits and reached & set(relaxation.limits) and is_held(relaxed, rate):
            return relaxation
    return None
