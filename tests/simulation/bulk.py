"""A backfill of a large pool beside live signups, with the providers' limits enforced, on the virtual clock.

SQS's counts are as old as its documentation allows: a minute.
"""

from __future__ import annotations

import uuid
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from onramp.ops.backfill.refusals import RefusalsFile
from onramp.ops.backfill.wiring import BackfillWiring
from onramp.ops.common.queue_room import SETTLE_SECONDS
from tests.operator_context import operator_context
from tests.pipeline import PROFILES, QUEUE, signup
from tests.simulation.scale import CountingList, DiscardedLog, RateLimit
from tests.simulation.scheduler import Process
from tests.simulation.schedules import Person, Schedule
from tests.simulation.simulation import Simulation

LIVE_EVERY, SAMPLE_EVERY = 20.0, 5.0


@dataclass
class BulkReport:
    """Seconds. `queue_age`: of the oldest message that was ever seen."""

    users: int
    ready: int = 0
    owing: int = 0
    waits: list[float] = field(default_factory=list)
    """Of each live signup, until its profile is ready."""
    queue_age: float = 0.0
    deepest: int = 0
    backfill_took: float = 0.0
    found: dict[str, int] = field(default_factory=dict)


class LaggingSqs:
    """A client whose message counts are those of up to a minute ago."""

    def __init__(self, client: Any, sim: Simulation) -> None:
        self._client, self._sim = client, sim
        self._history: deque[tuple[float, Any]] = deque()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_queue_attributes(self, **request: Any) -> Any:
        now = self._sim.clock()
        self._history.append((now, self._client.get_queue_attributes(**request)))
        while len(self._history) > 1 and self._history[1][0] <= now - SETTLE_SECONDS:
            self._history.popleft()
        return self._history[0][1]


class BulkRun:
    def __init__(self, sim: Simulation, users: int, most: int) -> None:
        self.sim, self.most, self.report = sim, most, BulkReport(users)
        self.done = self.drained = False
        for name, limit in {
            "stripe": RateLimit(25, 1.0, sim.clock),
            "revenuecat": RateLimit(480, 60.0, sim.clock),
        }.items():
            sim.providers[name].admit = limit
        for number in range(users):
            sub = str(uuid.UUID(int=10**9 + number))
            attributes = {"sub": sub, "email": f"old{number}@example.com", "email_verified": "true"}
            sim.cognito.add_user(sub, attributes, "CONFIRMED")
        sim.clock.advance(7 * 86_400)
        sim.scheduler.start(Process("backfill", "operator"), self._backfill)
        sim.scheduler.start(Process("live", "schedule"), self._live_signups, after=20.0)
        sim.scheduler.start(Process("sample", "schedule"), self._sample)

    def _backfill(self) -> None:
        sim, began = self.sim, self.sim.clock()
        sqs = LaggingSqs(sim.clients["sqs"], sim)
        wiring = BackfillWiring.of(operator_context(sim, {**sim.clients, "sqs": sqs}, sleep=sim.scheduler.sleep))
        room = wiring.queue_room(self.most)
        backfill = wiring.backfill(
            wiring.rules.pools, wiring.batch_publisher(), RefusalsFile(None), rate=15.0, apply=True, room=room
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


def run_backfill(users: int, *, most: int) -> BulkReport:
    """`most`: messages in the queue, 0: the backfill never waits."""
    sim = Simulation(Schedule(()))
    sim.log = DiscardedLog()
    sim.events.events, sim.stripe.calls, sim.revenuecat.calls = CountingList(), CountingList(), CountingList()
    sim.trace = sim.remote_calls.trace = CountingList()
    with sim:
        run = BulkRun(sim, users, most)
        sim.run()
        rows = sim.dynamodb.tables
        run.report.ready = sum(item["provisioningStatus"]["S"] == "ready" for item in rows[PROFILES].items.values())
        run.report.owing = sum("owed" in item for item in rows["UsersTable"].items.values())
        return run.report
