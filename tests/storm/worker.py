"""The event source mapping and the worker's environments: one batch, all its records at once, two providers each."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from onramp.domain.errors import RetryableError
from onramp.usecases.retries import Backoff
from onramp.wiring.enrich_profile import BATCH, PACING_PATIENCE_SECONDS
from tests.simulation.scale import RateLimit
from tests.simulation.scheduler import Scheduler
from tests.storm.limits import INF, Durations, Limits
from tests.storm.owed import OwedTable, Users
from tests.storm.pace import Pace
from tests.storm.queue import Message, Queue
from tests.storm.tally import Tally
from tests.storm.trigger import Environments

STEPS = {"stripe": 1, "revenuecat": 2}
BEFORE = {"stripe": 5, "revenuecat": 3}
"""Calls of the worker before the request to the provider."""
UNTIL_READY, UNTIL_ANSWERED, SHORT_CUT = 2, 5, 2
"""Calls after the request; `SHORT_CUT`: all calls for a user who is ready."""
RATE_WINDOW = {"stripe": 1.0, "revenuecat": 60.0}


@dataclass(slots=True)
class Batch:
    environment: int
    messages: list[Message]
    pending: int
    finish: float
    failed: dict[int, float | None] = field(default_factory=dict)
    """The delay that was asked for, by the message's place."""


@dataclass(slots=True)
class Record:
    batch: Batch
    place: int
    finish: float
    pending: int = 0
    failed: bool = False
    asked: float | None = None

    @property
    def users(self) -> Users:
        return self.batch.messages[self.place].users

    def fail(self, asked: float | None = None) -> None:
        self.failed, self.asked = True, max(self.asked or 0.0, asked or 0.0) or None


class Worker:
    """`outages`: until when a provider answers 503. `settle` gives the seconds of the write that settles a user."""

    def __init__(
        self,
        scheduler: Scheduler,
        limits: Limits,
        durations: Durations,
        tally: Tally,
        environments: Environments,
        queue: Queue,
        table: OwedTable,
        settle: Callable[[Users], float],
    ) -> None:
        self._scheduler, self._limits, self._durations, self._tally = scheduler, limits, durations, tally
        self._environments, self._queue, self._table, self._settle = environments, queue, table, settle
        self._backoff = Backoff(limits.backoff_base, random.Random(1).random)
        self._size = max(1, limits.batch // tally.grain)
        self._count = max(1, min(limits.concurrency, limits.concurrency * limits.batch // tally.grain))
        self._each = limits.concurrency / self._count / tally.grain
        self._free, self._used = list(range(self._count)), 0
        self._paces: dict[int, dict[str, Pace]] = {}
        self._after = 0.0
        self._wakes_at, self._busy_since = INF, scheduler.clock()
        self.outages: dict[str, float] = {}
        self._admit = {
            "stripe": self._limit("stripe", limits.stripe_limit),
            "revenuecat": self._limit("revenuecat", limits.revenuecat_limit),
        }

    def _limit(self, name: str, rate: float) -> Callable[[], bool]:
        """The provider's own limit in whole objects: over a longer time where they stand for many users."""
        if rate == INF:
            return lambda: True
        seconds = max(RATE_WINDOW[name], 25 * self._tally.grain / rate)
        return RateLimit(round(rate * seconds / self._tally.grain), seconds, self._scheduler.clock)

    def _pace(self, name: str, rate: float) -> Pace:
        """As `wiring/enrich_profile.py` builds it, for one environment."""
        burst = BATCH * self._limits.concurrency / self._count / self._tally.grain
        return Pace(
            f"{name}_pace",
            rate / self._count / self._tally.grain,
            burst,
            PACING_PATIENCE_SECONDS,
            lambda: self._scheduler.clock() + self._after,
            self._tally.reached,
        )

    # -- the mapping

    def poll(self) -> None:
        while self._free and self._may_poll():
            batch = self._queue.receive(self._size)
            if not batch:
                self._busy_since = self._scheduler.clock()
                self._wake(self._queue.next_visible())
                return
            self._begin(heapq.heappop(self._free), batch)
        if not self._free and self._queue.visible:
            self._tally.reached["concurrency"] += 1

    def _may_poll(self) -> bool:
        now, running = self._scheduler.clock(), self._count - len(self._free)
        grown = self._limits.pollers_first + self._limits.pollers_growth * (now - self._busy_since)
        pollers = max(1.0, min(grown, self._limits.pollers_most) * self._count / self._limits.concurrency)
        if running < pollers and self._environments.has_room(self._each):
            return True
        if running >= pollers:
            self._tally.reached["pollers_first"] += 1
        self._wake(now + 1)
        return False

    def _wake(self, when: float) -> None:
        if when < self._wakes_at:
            self._wakes_at = when
            self._scheduler.later(max(0.0, when - self._scheduler.clock()), partial(self._woken, when))

    def _woken(self, when: float) -> None:
        """An earlier wake-up replaces a later one."""
        if when == self._wakes_at:
            self._wakes_at = INF
            self.poll()

    # -- one batch

    def _begin(self, number: int, messages: list[Message]) -> None:
        now, start = self._scheduler.clock(), 0.0
        self._environments.busy += self._each
        if number not in self._paces:
            start = self._durations.cold_start
            self._paces[number] = {
                "stripe": self._pace("stripe", self._limits.stripe_pace),
                "revenuecat": self._pace("revenuecat", self._limits.revenuecat_pace),
            }
        batch = Batch(number, messages, len(messages), now + start)
        for place in range(len(messages)):
            self._start(Record(batch, place, now + start), start)

    def _start(self, record: Record, start: float) -> None:
        users, now = record.users, self._scheduler.clock()
        if users.owed is None:
            record.finish += SHORT_CUT * self._durations.call
            self._finish(record)
            return
        for step, bit in STEPS.items():
            if users.done & bit:
                continue
            self._after = start + BEFORE[step] * self._durations.call
            record.finish = max(record.finish, now + self._after)
            try:
                wait = self._paces[record.batch.environment][step].take()
            except RetryableError as paced:
                record.fail(paced.delay)
            else:
                record.pending += 1
                self._scheduler.later(self._after + wait, partial(self._request, step, record))
        if not record.pending:
            self._finish(record)

    def _request(self, step: str, record: Record) -> None:
        now, bit = self._scheduler.clock(), STEPS[step]
        self._tally.requests[step] += 1
        record.finish = max(record.finish, now + self._durations.provider)
        if now < self.outages.get(step, 0.0):
            record.fail()
        elif not self._admit[step]():
            self._tally.too_many[step] += 1
            self._tally.reached[f"{step}_limit"] += 1
            record.fail()
        else:
            record.users.done |= bit
        record.pending -= 1
        if not record.pending:
            self._finish(record)

    def _finish(self, record: Record) -> None:
        batch, call = record.batch, self._durations.call
        finish = record.finish + UNTIL_ANSWERED * call
        if record.failed:
            batch.failed[record.place] = record.asked
        elif users := record.users if record.users.owed else None:
            self._ready(users, record.finish + UNTIL_READY * call)
            finish += self._settle(users)
            self._table.settle(users)
        batch.finish = max(batch.finish, finish)
        batch.pending -= 1
        if not batch.pending:
            self._scheduler.later(batch.finish - self._scheduler.clock(), partial(self._end, batch))

    def _ready(self, users: Users, at: float) -> None:
        (self._tally.old if users.backfilled else self._tally.live).append(at - users.signed_up)
        self._tally.last_ready = max(self._tally.last_ready, at)

    def _end(self, batch: Batch) -> None:
        for place, message in enumerate(batch.messages):
            if place in batch.failed:
                self._come_back(message, batch.failed[place])
            else:
                self._queue.delete()
        self._environments.busy -= self._each
        heapq.heappush(self._free, batch.environment)
        self.poll()

    def _come_back(self, message: Message, asked: float | None) -> None:
        """The worker's own transition and delay; at its last receive the message is a dead letter."""
        self._table.flip(message.users)
        if message.receives >= self._limits.max_receives:
            self._tally.reached["max_receives"] += 1
            self._tally.dead_letters += 1
            self._queue.delete()
        else:
            self._queue.hide(message, self._backoff.delay(message.receives, asked))
