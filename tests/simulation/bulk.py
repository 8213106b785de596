"""A backfill of a large pool beside live signups, with the providers' limits enforced, on the virtual clock.

SQS's counts are as old as its documentation allows: a minute. `coarse_bulk.py` models millions of users.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from onramp.adapters.cognito import PAGE
from onramp.ops.backfill.refusals import RefusalsFile
from onramp.ops.backfill.wiring import BackfillWiring
from onramp.ops.common.queue_room import MOST_IN_QUEUE, SETTLE_SECONDS
from tests.operator_context import operator_context
from tests.pipeline import PROFILES, QUEUE, SETTINGS, signup
from tests.simulation.scale import CountingList, DiscardedLog, RateLimit
from tests.simulation.scheduler import Process
from tests.simulation.schedules import Person, Schedule
from tests.simulation.simulation import Simulation

LIVE_AFTER, LIVE_EVERY, SAMPLE_EVERY = 20.0, 20.0, 5.0
PAGES_PER_SECOND = 15.0


@dataclass(frozen=True)
class BulkScale:
    """The smaller scale has the proportions of the real one: the queue is as long in seconds, by a quarter of users."""

    users: int
    per_minute: int = int(SETTINGS["REVENUECAT_REQUESTS_PER_MINUTE"])
    most: int = MOST_IN_QUEUE
    page: int = PAGE

    @classmethod
    def small(cls, users: int) -> BulkScale:
        return cls(users, *(value // 4 for value in (cls.per_minute, cls.most, cls.page)))


@dataclass
class BulkReport:
    """Seconds. `owing`: users without a profile at the end. `queue_age`: of the oldest message that was ever seen."""

    scale: BulkScale
    ready: int = 0
    owing: int = 0
    waits: list[float] = field(default_factory=list)
    """Of each live signup, until its profile is ready."""
    queue_age: float = 0.0
    deepest: int = 0
    backfill_took: float = 0.0
    found: dict[str, int] = field(default_factory=dict)

    def broken_promises(self) -> list[str]:
        """What does not hold of a backfill that leaves room in the queue."""
        usual = self.scale.most / (self.scale.per_minute / 60) + 15
        holds = {
            "every user is ready": self.ready == self.scale.users + len(self.waits),
            "no user lost the message": not self.owing,
            "users signed up meanwhile": len(self.waits) > 5,
            "a live signup takes its usual time": max(self.waits) < usual,
            "the queue stays short": self.deepest <= self.scale.most + 20,  # live signups come on top
            "no message grows old": self.queue_age < usual,
        }
        return [promise for promise, kept in holds.items() if not kept]

    def __str__(self) -> str:
        return (
            f"{self.scale.users:,} users in {self.backfill_took / 3600:,.1f} hours, {self.owing:,} without a message,"
            f" {self.deepest:,} messages at most, live signups took at most {max(self.waits):,.0f} s"
        )


class LaggingSqs:
    """A client whose message counts are those of up to a minute ago."""

    def __init__(self, client: Any, clock: Callable[[], float]) -> None:
        self._client, self._clock = client, clock
        self._history: deque[tuple[float, Any]] = deque()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_queue_attributes(self, **request: Any) -> Any:
        now = self._clock()
        self._history.append((now, self._client.get_queue_attributes(**request)))
        while len(self._history) > 1 and self._history[1][0] <= now - SETTLE_SECONDS:
            self._history.popleft()
        return self._history[0][1]


class BulkRun:
    def __init__(self, sim: Simulation, scale: BulkScale, most: int) -> None:
        self.sim, self.most, self.report = sim, most, BulkReport(scale)
        self.done = self.drained = False
        for name, limit in {
            "stripe": RateLimit(25, 1.0, sim.clock),
            "revenuecat": RateLimit(round(1.2 * scale.per_minute), 60.0, sim.clock),
        }.items():
            sim.providers[name].admit = limit
        for number in range(scale.users):
            sub = str(uuid.UUID(int=10**9 + number))
            attributes = {"sub": sub, "email": f"old{number}@example.com", "email_verified": "true"}
            sim.cognito.add_user(sub, attributes, "CONFIRMED")
        sim.clock.advance(7 * 86_400)
        sim.scheduler.start(Process("backfill", "operator"), self._backfill)
        sim.scheduler.start(Process("live", "schedule"), self._live_signups, after=LIVE_AFTER)
        sim.scheduler.start(Process("sample", "schedule"), self._sample)

    def _backfill(self) -> None:
        sim, began = self.sim, self.sim.clock()
        sqs = LaggingSqs(sim.clients["sqs"], sim.clock)
        wiring = BackfillWiring.of(operator_context(sim, {**sim.clients, "sqs": sqs}, sleep=sim.scheduler.sleep))
        room = wiring.queue_room(self.most)
        backfill = wiring.backfill(
            wiring.rules.pools,
            wiring.batch_publisher(),
            RefusalsFile(None),
            rate=PAGES_PER_SECOND,
            apply=True,
            room=room,
        )
        *_, last = backfill.run(backfill.start(resume=False))
        self.report.found = dict(last.found)
        self.report.backfill_took = sim.clock() - began
        self.done = True

    def _live_signups(self) -> None:
        number = 0
        while not self.drained:
            number += 1
            person = Person("live", f"live{number}@example.com", number=number)
            self.sim.observed.confirmed[person.sub] = person
            process = Process(f"trigger-{number}", "trigger")
            self.sim.scheduler.start(process, partial(self._sign_up, process, person))
            self.sim.scheduler.sleep(LIVE_EVERY)

    def _sign_up(self, process: Process, person: Person) -> None:
        began = self.sim.clock()
        self.sim.lambdas.invoke(process, "post_confirmation", signup(person.email, person.sub, given_name="Nia"))
        while self.sim.text(PROFILES, person.sub, "provisioningStatus") != "ready":
            self.sim.scheduler.sleep(1.0)
        self.report.waits.append(self.sim.clock() - began)

    def _sample(self) -> None:
        """Until the backfill has ended and the queue is empty."""
        while (messages := self.sim.sqs.messages(QUEUE)) or not self.done:
            ages = [self.sim.clock() - message.sent for message in messages]
            self.report.queue_age = max([self.report.queue_age, *ages])
            self.report.deepest = max(self.report.deepest, len(messages))
            self.sim.scheduler.sleep(SAMPLE_EVERY)
        self.drained = True


def run_backfill(scale: BulkScale, *, waits: bool = True) -> BulkReport:
    settings = {"REVENUECAT_REQUESTS_PER_MINUTE": str(scale.per_minute)}
    sim = Simulation(Schedule((), settings=settings, page=scale.page))
    sim.log = DiscardedLog()
    sim.events.events, sim.stripe.calls, sim.revenuecat.calls = CountingList(), CountingList(), CountingList()
    sim.trace = sim.remote_calls.trace = CountingList()
    with sim:
        run = BulkRun(sim, scale, scale.most if waits else 0)
        sim.run()
        rows = sim.dynamodb.tables
        run.report.ready = sum(item["provisioningStatus"]["S"] == "ready" for item in rows[PROFILES].items.values())
        run.report.owing = sum("owed" in item for item in rows["UsersTable"].items.values())
        return run.report
