"""Plays a schedule to its end: the storm, the calm after it, and what is then left to ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.fakes import SiteLog
from tests.pipeline import BUS, PROFILES, USERS
from tests.simulation import actors
from tests.simulation.schedules import Schedule, Spot, Step
from tests.simulation.simulation import Simulation

ROUNDS = 30
GRACE = 600.0
WHOLE_SWEEPS = 2  # one of them began before the calm


@dataclass(frozen=True)
class Verdict:
    """What a run broke, by invariant, and what it was like."""

    broken: Mapping[str, str]
    struck: Mapping[Spot, str]
    offered: Mapping[Spot, Sequence[str]]
    calls: int
    releases: set[str]
    digest: str
    trace: list[str]


def play(schedule: Schedule, sites: SiteLog | None = None) -> Verdict:
    with Simulation(schedule, sites) as sim:
        for step in schedule.steps:
            actors.start(sim, step)
        sim.run()
        calm_down(sim)
        come_to_rest(sim)
        sim.history.ask("rest")
        redrive(sim)
        sim.history.ask("redriven")
        replay(sim)
        return verdict(sim)


def verdict(sim: Simulation) -> Verdict:
    return Verdict(
        broken=sim.history.broken,
        struck=sim.weather.struck,
        offered=sim.weather.offered,
        calls=sim.weather.calls,
        releases=sim.lambdas.releases,
        digest=sim.digest(),
        trace=sim.trace,
    )


def calm_down(sim: Simulation) -> None:
    """The faults are over: nothing fails any more, clocks agree, keys are right, indexes are up to date."""
    sim.trace.append(f"{sim.scheduler.elapsed:12.3f} -- calm")
    sim.weather.calm = True
    sim.lambdas.cold_start()
    sim.dynamodb.read_lag = sim.cognito.list_lag = 0.0
    sim.cognito.empty_page = lambda _number: False
    sim.cognito.clock = sim.clock
    for user in sim.cognito.users.values():
        user.created, user.modified = min(user.created, sim.clock()), min(user.modified, sim.clock())
    for name, provider in (("stripe", sim.stripe), ("revenuecat", sim.revenuecat)):
        sim.providers[name].outage_until = 0.0
        sim.ssm.set(f"/{name}", provider.accepted_key)


def come_to_rest(sim: Simulation) -> None:
    """The reconciler runs whenever something is due, until there is nothing left for it to do."""
    sim.scheduler.sleep(GRACE)
    before, swept = debts(sim), sim.sweeps()
    for number in range(ROUNDS):
        act(sim, Step(0, "reconcile", number=10_000 + number))
        now = debts(sim)
        if now == before and not owing(sim) and sim.sweeps() >= swept + WHOLE_SWEEPS:
            return
        before = now
        due = [int(sim.text(USERS, key, "dueAt") or 0) / 1000 for (key,) in owing(sim)]
        sim.clock.now = max(sim.clock(), min(due, default=0.0)) + 1


def act(sim: Simulation, step: Step) -> None:
    actors.start(sim, step)
    sim.run()


def owing(sim: Simulation) -> list[tuple[str, ...]]:
    items = sim.dynamodb.tables[USERS].items
    return [key for key, item in items.items() if item.get("owed", {}).get("S", "").startswith(("emit", "enrich"))]


def debts(sim: Simulation) -> list[str]:
    return [f"{sim.text(USERS, key, 'owed')}{key}" for (key,) in sim.dynamodb.tables[USERS].items]


def redrive(sim: Simulation) -> None:
    """From the letters, then whoever has none left from the table. Once: it must be enough."""
    if any(debt.startswith("operator") for debt in debts(sim)):
        act(sim, Step(0, "redrive", number=10_000))
        act(sim, Step(0, "redrive_from_table", number=10_001))
        come_to_rest(sim)


def replay(sim: Simulation) -> None:
    before = effort(sim)
    events = [event for event in list(sim.events.events) if is_ready(sim, event)]
    for _ in range(2):
        sim.events.replay(BUS, events)
    sim.run()
    sim.history.ask("replayed", before, effort(sim))


def is_ready(sim: Simulation, event: dict[str, Any]) -> bool:
    """A signup whose user is provisioned and owes nothing."""
    sub = event["detail"]["data"]["cognitoSub"]
    keys = sim.history.holders[sub]
    done = sim.text(PROFILES, sub, "provisioningStatus") == "ready" and not any(
        "owed" in sim.item(USERS, k) for k in keys
    )
    return event["detail-type"] == "UserSignedUp" and bool(keys) and done


def effort(sim: Simulation) -> list[int]:
    return [len(sim.stripe.calls) + len(sim.revenuecat.calls), sim.history.writes, len(sim.events.events)]
