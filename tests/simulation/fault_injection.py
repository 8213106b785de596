"""How long each remote call takes, and which calls fail how.

Faults are drawn from the seed of the calling process, or written out by spot. Each injected fault is recorded, so that
a drawn run can be written out and then made smaller.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from tests.simulation.scheduler import Process
from tests.simulation.schedules import Schedule, Spot

USUAL_LATENCY = 0.02
MAX_LATENESS = 600.0
"""A late request reaches its service within so many seconds."""
SLOWEST = {"trigger": 4.0, "worker": 25.0}


class FaultInjector:
    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.stopped = False
        self.injected: dict[Spot, str] = {}
        self.possible: dict[Spot, Sequence[str]] = {}
        """The faults that each call could have had, in the order of the calls."""
        self.calls = 0

    def latency(self, process: Process, spot: Spot) -> float:
        if self.stopped:
            return USUAL_LATENCY
        if spot in self.schedule.waits:
            return self.schedule.waits[spot]
        if not self.schedule.random_timing:
            return USUAL_LATENCY
        roll, amount = process.latency_rng.random(), process.latency_rng.random()
        if roll < 0.85:
            return 0.005 + 0.05 * amount
        return amount * (1.0 if roll < 0.97 else SLOWEST.get(process.role, 10.0))

    def fault(self, process: Process, spot: Spot, kinds: Sequence[str]) -> str | None:
        self.calls += 1
        if self.stopped:
            return None
        self.possible[spot] = kinds
        fault = self.schedule.faults.get(spot)
        if self.schedule.fault_rate and process.fault_rng.random() < self.schedule.fault_rate:
            fault = process.fault_rng.choice(kinds)
        if fault is None or fault not in kinds:
            return None
        self.injected[spot] = fault
        return fault

    def duration(self, spot: Spot, low: float, high: float) -> float:
        """A duration drawn for this spot alone: other calls do not change it."""
        return random.Random(f"{self.schedule.seed}/{spot}").uniform(low, high)
