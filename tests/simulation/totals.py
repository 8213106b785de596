"""Totals over many runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.fakes import Site, SiteLog
from tests.simulation.runner import run_schedule
from tests.simulation.schedules import Schedule


@dataclass
class Totals:
    runs: int = 0
    calls: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    sites: Counter[Site] = field(default_factory=Counter)
    faulted: Counter[Site] = field(default_factory=Counter)
    failures: list[tuple[str, Schedule]] = field(default_factory=list)
    """The broken invariants, and the schedule that broke them."""

    def add(self, other: Totals) -> None:
        self.runs += other.runs
        self.calls += other.calls
        self.faults += other.faults
        self.sites += other.sites
        self.faulted += other.faulted
        self.failures += other.failures

    @property
    def never_faulted(self) -> list[Site]:
        return sorted(self.sites.keys() - self.faulted.keys())


def run_all(schedules: Iterable[Schedule]) -> Totals:
    totals, log = Totals(), SiteLog()
    for schedule in schedules:
        result = run_schedule(schedule, log)
        totals.runs += 1
        totals.calls += result.calls
        if result.broken:
            totals.failures.append((result.problems(), schedule))
    totals.sites.update(log.calls)
    for (site, fault), number in log.faulted.items():
        totals.faulted[site] += number
        totals.faults[fault] += number
    return totals
