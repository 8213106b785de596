"""A burst of signups far above the providers' rate limits, and six hours without Stripe, on the virtual clock.

The limits are enforced: Stripe answers 429 to more than 25 requests a second, RevenueCat to more than 480 a minute.
"""

from __future__ import annotations

import io
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from tests.pipeline import DLQ, PROFILES, USERS, signup
from tests.simulation.scheduler import Process
from tests.simulation.schedules import Person, Schedule
from tests.simulation.simulation import Simulation

HOUR, RECONCILE_EVERY = 3600.0, 300.0


@dataclass(frozen=True)
class Report:
    users: int
    ready: int
    owing: int
    dead_letters: int
    extra_emissions: int
    emissions_of_one_user: int
    stripe_calls: int
    revenuecat_calls: int
    too_many_requests: int
    customers: int
    broken: int
    hours: float
    calls: int
    seconds: float

    def broken_promises(self, *, stripe_calls_each: float) -> list[str]:
        """The promises that do not hold. The bound on emissions is protocol.md's: a reconciler may read the record
        before its first event has been processed, and nothing else fails.
        """
        holds = {
            "every user is ready": self.ready == self.users,
            "no record owes anything": not self.owing,
            "every user is one Stripe customer": self.customers == self.users,
            "the dead-letter queue is empty": not self.dead_letters,
            "no invariant broke during the run": not self.broken,
            "no UserSignedUp was emitted more than twice": self.emissions_of_one_user <= 2,
            "RevenueCat got one call per user": self.revenuecat_calls == self.users,
            f"Stripe got at most {stripe_calls_each:g} calls per user": self.stripe_calls
            <= stripe_calls_each * self.users,
        }
        return [promise for promise, kept in holds.items() if not kept]

    def __str__(self) -> str:
        return ", ".join(f"{getattr(self, field.name):,.6g} {field.name.replace('_', ' ')}" for field in fields(self))


class RateLimit:
    """Admits at most `most` calls in any `seconds`."""

    def __init__(self, most: int, seconds: float, clock: Callable[[], float]) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._recent: deque[float] = deque()
        self.refused = 0

    def __call__(self) -> bool:
        now = self._clock()
        while self._recent and self._recent[0] <= now - self._seconds:
            self._recent.popleft()
        if len(self._recent) < self._most:
            self._recent.append(now)
            return True
        self.refused += 1
        return False


class CountingList(list[Any]):
    """Counts its items instead of keeping them, to save memory."""

    def __init__(self) -> None:
        super().__init__()
        self.number = 0

    def append(self, _: Any) -> None:
        self.number += 1


class DiscardedLog(io.StringIO):
    def write(self, text: str) -> int:
        return len(text)


class SignupBurst:
    """`users` signups, evenly spread over `within` seconds, and the reconciler's schedule."""

    def __init__(self, sim: Simulation, users: int, within: float) -> None:
        self.sim, self.users = sim, users
        self.limits = {"stripe": RateLimit(25, 1.0, sim.clock), "revenuecat": RateLimit(480, 60.0, sim.clock)}
        for name, limit in self.limits.items():
            sim.providers[name].admit = limit
        for number in range(users):
            person = Person("user", f"user{number}@example.com", number=number)
            process = Process(f"trigger-{number}", "trigger")
            sim.scheduler.start(process, partial(self._sign_up, process, person), within * number / users)
        sim.scheduler.start(Process("schedule", "schedule"), self._reconcile)

    def _sign_up(self, process: Process, person: Person) -> None:
        self.sim.observed.confirmed[person.sub] = person
        self.sim.lambdas.invoke(process, "post_confirmation", signup(person.email, person.sub, given_name="Nia"))

    def _reconcile(self) -> None:
        """Runs as often as in the template, as long as any record owes something."""
        while True:
            self.sim.scheduler.sleep(RECONCILE_EVERY)
            process = Process(f"reconcile-{self.sim.clock():.0f}", "reconcile")
            self.sim.scheduler.start(process, partial(self.sim.lambdas.invoke, process, "reconcile", {}))
            if not self.owing():
                return

    def owing(self) -> int:
        return sum("owed" in item for item in self.sim.dynamodb.tables[USERS].items.values())

    def report(self, began: float, started: float) -> Report:
        sim, events = self.sim, Counter(self.sim.observed.event_counts)
        signups = [number for (kind, _), number in events.items() if kind == "UserSignedUp"]
        profiles = sim.dynamodb.tables[PROFILES].items.values()
        return Report(
            users=self.users,
            ready=sum(item["provisioningStatus"]["S"] == "ready" for item in profiles),
            owing=self.owing(),
            dead_letters=len(sim.sqs.messages(DLQ)),
            extra_emissions=sum(signups) - self.users,
            emissions_of_one_user=max(signups),
            stripe_calls=sim.stripe.calls.number,  # type: ignore[attr-defined]
            revenuecat_calls=sim.revenuecat.calls.number,  # type: ignore[attr-defined]
            too_many_requests=sum(limit.refused for limit in self.limits.values()),
            customers=len(sim.stripe.customers()),
            broken=len(sim.observed.broken),
            hours=(sim.clock() - began) / HOUR,
            calls=sim.faults.calls,
            seconds=time.monotonic() - started,
        )


def small_simulation() -> Simulation:
    """Without faults. It counts events, calls and trace instead of keeping them."""
    sim = Simulation(Schedule(()))
    sim.log = DiscardedLog()
    sim.events.events, sim.stripe.calls, sim.revenuecat.calls = CountingList(), CountingList(), CountingList()
    sim.trace = sim.remote_calls.trace = CountingList()
    return sim


def run_burst(users: int = 100_000, within: float = HOUR, *, outage: float = 0.0) -> Report:
    """For `outage` seconds from the start, Stripe answers 503."""
    sim, started = small_simulation(), time.monotonic()
    with sim:
        began = sim.clock()
        sim.providers["stripe"].outage_until = began + outage
        burst = SignupBurst(sim, users, within)
        sim.run()
        return burst.report(began, started)
