"""What a number of runs came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.fakes import Site, SiteLog
from tests.simulation.reckoning import play
from tests.simulation.schedules import Schedule


@dataclass
class Tally:
    runs: int = 0
    calls: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    sites: Counter[Site] = field(default_factory=Counter)
    faulted: Counter[Site] = field(default_factory=Counter)
    failures: list[tuple[str, Schedule]] = field(default_factory=list)
    """What was broken, and the schedule that did it."""

    def add(self, other: Tally) -> None:
        self.runs += other.runs
        self.calls += other.calls
        self.faults += other.faults
        self.sites += other.sites
        self.faulted += other.faulted
        self.failures += other.failures

    @property
    def never_faulted(self) -> list[Site]:
        return sorted(self.sites.keys() - self.faulted.keys())


def tally(schedules: Iterable[Schedule]) -> Tally:
    found, log = Tally(), SiteLog()
    for schedule in schedules:
        verdict = play(schedule, log)
        found.runs += 1
        found.calls += verdict.calls
        if verdict.broken:
            found.failures.append(("\n".join(f"{name}: {why}" for name, why in verdict.broken.items()), schedule))
    found.sites.update(log.calls)
    for (site, fault), number in log.faulted.items():
        found.faulted[site] += number
        found.faults[fault] += number
    return found
