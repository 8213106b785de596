"""What the world does to a run: how long each call takes, and which calls go wrong how.

Faults are drawn from the seed of the process that calls, or written out by spot. Whatever strikes is noted, so that a
drawn run can be written out, and then made smaller.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from tests.simulation.scheduler import Process
from tests.simulation.schedules import Schedule, Spot

USUAL = 0.02
MOST_LATE = 600.0
SLOWEST = {"trigger": 4.0, "worker": 25.0}


class Weather:
    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.calm = False
        self.struck: dict[Spot, str] = {}
        self.offered: dict[Spot, Sequence[str]] = {}
        """Which faults each call could have had, in the order of the calls."""
        self.calls = 0

    def latency(self, process: Process, spot: Spot) -> float:
        if self.calm:
            return USUAL
        if spot in self.schedule.waits:
            return self.schedule.waits[spot]
        if not self.schedule.rough:
            return USUAL
        roll, amount = process.latency.random(), process.latency.random()
        if roll < 0.85:
            return 0.005 + 0.05 * amount
        return amount * (1.0 if roll < 0.97 else SLOWEST.get(process.role, 10.0))

    def fault(self, process: Process, spot: Spot, kinds: Sequence[str]) -> str | None:
        self.calls += 1
        if self.calm:
            return None
        self.offered[spot] = kinds
        fault = self.schedule.faults.get(spot)
        if self.schedule.rate and process.luck.random() < self.schedule.rate:
            fault = process.luck.choice(kinds)
        if fault is None or fault not in kinds:
            return None
        self.struck[spot] = fault
        return fault

    def between(self, spot: Spot, least: float, most: float) -> float:
        """How long something lasts, the same whatever else happens."""
        return random.Random(f"{self.schedule.seed}/{spot}").uniform(least, most)
