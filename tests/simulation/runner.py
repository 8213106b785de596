"""Runs a schedule to its end: its steps, then recovery without faults, then the final checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.fakes import SiteLog
from tests.pipeline import BUS, PROFILES, USERS
from tests.simulation import user_steps
from tests.simulation.schedules import Schedule, Spot, Step
from tests.simulation.simulation import Simulation

MAX_RECONCILER_RUNS = 30
GRACE = 600.0
"""Seconds after the end of the faults in which messages and late requests arrive."""
WHOLE_SWEEPS = 2  # the first may have begun before the faults stopped


@dataclass(frozen=True)
class RunResult:
    """The broken invariants with their problems, the injected and the possible faults, and the trace."""

    broken: Mapping[str, str]
    injected: Mapping[Spot, str]
    possible: Mapping[Spot, Sequence[str]]
    calls: int
    releases: set[str]
    digest: str
    trace: list[str]

    def problems(self) -> str:
        return "\n".join(f"{name}: {problem}" for name, problem in self.broken.items())


def run_schedule(schedule: Schedule, sites: SiteLog | None = None) -> RunResult:
    with Simulation(schedule, sites) as sim:
        for step in schedule.steps:
            user_steps.start(sim, step)
        sim.run()
        sim.observed.check("drained")
        stop_faults(sim)
        recover(sim)
        sim.observed.check("recovered")
        redrive(sim)
        sim.observed.check("redriven")
        replay(sim)
        return RunResult(
            broken=sim.observed.broken,
            injected=sim.faults.injected,
            possible=sim.faults.possible,
            calls=sim.faults.calls,
            releases=sim.lambdas.releases,
            digest=sim.digest(),
            trace=sim.trace,
        )


def stop_faults(sim: Simulation) -> None:
    """No call fails any more, clocks agree, provider keys are accepted, indexes are up to date."""
    sim.trace.append(f"{sim.scheduler.elapsed:12.3f} -- faults stop")
    sim.faults.stopped = True
    sim.lambdas.cold_start()
    sim.dynamodb.read_lag = sim.cognito.list_lag = 0.0
    sim.cognito.empty_page = lambda _number: False
    sim.cognito.clock = sim.clock
    for user in sim.cognito.users.values():
        user.created, user.modified = min(user.created, sim.clock()), min(user.modified, sim.clock())
    for name, provider in (("stripe", sim.stripe), ("revenuecat", sim.revenuecat)):
        sim.providers[name].outage_until = 0.0
        sim.ssm.set(f"/{name}", provider.accepted_key)


def recover(sim: Simulation) -> None:
    """Runs the reconciler whenever a record is due, until nothing changes and the whole pool has been swept."""
    sim.scheduler.sleep(GRACE)
    before, swept = owed_values(sim), sim.sweeps()
    for number in range(MAX_RECONCILER_RUNS):
        run_step(sim, Step(0, "reconcile", number=10_000 + number))
        after, waiting = owed_values(sim), keys_owing_work(sim)
        if after == before and not waiting and sim.sweeps() >= swept + WHOLE_SWEEPS:
            return
        before = after
        due = [int(sim.text(USERS, key, "dueAt") or 0) / 1000 for (key,) in waiting]
        sim.clock.now = max(sim.clock(), min(due, default=0.0)) + 1


def run_step(sim: Simulation, step: Step) -> None:
    user_steps.start(sim, step)
    sim.run()


def keys_owing_work(sim: Simulation) -> list[tuple[str, ...]]:
    """The records that owe `emit` or `enrich`."""
    items = sim.dynamodb.tables[USERS].items
    return [key for key, item in items.items() if item.get("owed", {}).get("S", "").startswith(("emit", "enrich"))]


def owed_values(sim: Simulation) -> list[str]:
    return [f"{sim.text(USERS, key, 'owed')}{key}" for (key,) in sim.dynamodb.tables[USERS].items]


def redrive(sim: Simulation) -> None:
    """From the dead-letter queue, then from the table. One redrive must be enough."""
    if any(owed.startswith("operator") for owed in owed_values(sim)):
        run_step(sim, Step(0, "redrive", number=10_000))
        run_step(sim, Step(0, "redrive_from_table", number=10_001))
        recover(sim)


def replay(sim: Simulation) -> None:
    before = effects(sim)
    events = [event for event in list(sim.events.events) if is_provisioned_signup(sim, event)]
    for _ in range(2):
        sim.events.replay(BUS, events)
    sim.run()
    sim.observed.check("replayed", before, effects(sim))


def is_provisioned_signup(sim: Simulation, event: dict[str, Any]) -> bool:
    """A UserSignedUp whose user is ready and owes nothing."""
    sub = event["detail"]["data"]["cognitoSub"]
    keys = sim.observed.holders[sub]
    ready = sim.text(PROFILES, sub, "provisioningStatus") == "ready"
    owes = any("owed" in sim.item(USERS, key) for key in keys)
    return event["detail-type"] == "UserSignedUp" and bool(keys) and ready and not owes


def effects(sim: Simulation) -> list[int]:
    """Provider calls, writes, and events so far."""
    return [len(sim.stripe.calls) + len(sim.revenuecat.calls), sim.observed.writes, len(sim.events.events)]
