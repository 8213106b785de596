"""The parts together: arrivals, trigger, queue, worker, reconciler, on one virtual clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.fakes import VirtualClock
from tests.simulation.scheduler import Process, Scheduler
from tests.storm.limits import Durations, Limits
from tests.storm.owed import OwedTable, Users
from tests.storm.queue import Queue
from tests.storm.tally import Tally, percentile
from tests.storm.trigger import Environments, Trigger
from tests.storm.worker import Worker


@dataclass(frozen=True)
class Outcome:
    """Users and seconds. `p50`, `p95` and `longest` are times to ready of those who signed up."""

    signed_up: int
    ready: int
    unready: int
    refused: int
    unrecorded: int
    expired: int
    dead_letters: int
    p50: float
    p95: float
    longest: float
    all_ready_after: float
    deepest: int
    in_flight: int
    queued_again: int
    too_many: int
    reached: frozenset[str]
    depths: tuple[tuple[float, int], ...]


class Pipeline:
    def __init__(self, limits: Limits, durations: Durations, grain: int) -> None:
        self.limits, self.grain = limits, grain
        self.tally = tally = Tally(grain)
        self.scheduler = scheduler = Scheduler(VirtualClock())
        self.clock = clock = scheduler.clock
        self.began = clock()
        self.open_sources = 0
        self.queue = Queue(clock, limits.retention, limits.in_flight / grain, tally.reached)
        self.table = OwedTable(
            clock,
            self._deliver,
            lambda: self.queue.visible * grain,
            emit_due_after=limits.emit_due_after,
            enrich_due_after=limits.enrich_due_after,
            most=max(1, limits.reconcile_most // grain),
        )
        environments = Environments(limits, tally, clock)
        self.trigger = Trigger(scheduler, limits, durations, tally, environments, self.table, self._deliver)
        self.worker = Worker(
            scheduler, limits, durations, tally, environments, self.queue, self.table, self.trigger.settle
        )

    def _deliver(self, users: Users) -> None:
        self.queue.send(users)
        self.worker.poll()

    def start(self, name: str, source: Callable[[], None]) -> None:
        """A source of users, which may wait; the reconciler runs until all have ended and nothing is owed."""

        def body() -> None:
            source()
            self.open_sources -= 1

        self.open_sources += 1
        self.scheduler.start(Process(name, "source"), body)

    def signups(self, rate: float, seconds: float) -> None:
        """Evenly spread. The first of each group of `grain` users stands for the group."""
        for _ in range(round(rate * seconds / self.grain)):
            self.trigger.sign_up()
            self.scheduler.sleep(self.grain / rate)

    def run(self, within: float) -> Outcome:
        """Until all users are ready, at most `within` seconds."""
        self.scheduler.start(Process("schedule", "schedule"), self._reconcile)
        self.scheduler.run(until=self.began + within)
        self.scheduler.close()
        return self.outcome()

    def _reconcile(self) -> None:
        while self.open_sources or len(self.table):
            self.scheduler.sleep(self.limits.reconcile_every)
            self.tally.depths.append((self.clock() - self.began, self.queue.depth * self.grain))
            before = self.table.again
            self.table.reconcile()
            if self.table.again - before >= self.limits.reconcile_most // self.grain:
                self.tally.reached["reconcile_most"] += 1

    def outcome(self) -> Outcome:
        tally, grain = self.tally, self.grain
        live = sorted(tally.live)
        return Outcome(
            signed_up=(len(live) + len(self.table)) * grain,
            ready=(len(live) + len(tally.old)) * grain,
            unready=len(self.table) * grain,
            refused=tally.refused * grain,
            unrecorded=tally.unrecorded * grain,
            expired=self.queue.expired * grain,
            dead_letters=tally.dead_letters * grain,
            p50=percentile(live, 0.5),
            p95=percentile(live, 0.95),
            longest=percentile(live, 1.0),
            all_ready_after=max(0.0, tally.last_ready - self.began),
            deepest=self.queue.deepest * grain,
            in_flight=self.queue.most_in_flight * grain,
            queued_again=self.table.again * grain,
            too_many=sum(tally.too_many.values()) * grain,
            reached=frozenset(+tally.reached),
            depths=tuple(tally.depths),
        )
