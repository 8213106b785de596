"""The final checks: after recovery without faults, after a redrive, after a replay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.pipeline import DLQ, HEAL_DLQ, OPERATIONS, PROFILES, USERS
from tests.simulation.invariants.registry import holds
from tests.simulation.writes import sub_in

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation


@holds("drained")
def handed_over_signups_need_no_sweep(sim: Simulation) -> str | None:
    """Every user that the trigger handed over has got a record when the queues are empty, or is refused, or its message
    is a dead letter after its last receive."""
    linked = {sub for _, sub in sim.observed.linked}
    given_up = {sub_in(message.body) for message in sim.sqs.messages(HEAL_DLQ)}
    for sub in sim.observed.handed_over - linked - given_up:
        if not sim.is_refused(sim.observed.confirmed[sub]):
            return f"{sim.observed.confirmed[sub].name} has no record"
    return None


@holds("recovered")
def every_signup_ends(sim: Simulation) -> str | None:
    """Every confirmed user ends ready, or owed to the operator, or refused for a reason."""
    for sub, person in sim.observed.confirmed.items():
        keys = sim.observed.holders[sub]
        if not keys and not sim.is_refused(person):
            return f"{person.name} has no record"
        for key in keys:
            if sim.text(USERS, key, "owed").startswith(("emit", "enrich")):
                return f"{person.name} still owes {sim.text(USERS, key, 'owed')}"
            if "owed" in sim.item(USERS, key) and sim.text(PROFILES, sub, "provisioningStatus") == "ready":
                return f"{person.name} is ready and still owed to the operator"
    return None


@holds("recovered")
def gauges_match_tables(sim: Simulation) -> str | None:
    """The reconciler's metrics of what is owed and refused are what the tables and the pool contain."""
    owed = [sim.text(USERS, key, "owed") for (key,) in sim.dynamodb.tables[USERS].items]
    actual = {
        f"Owed{kind.title()}": sum(value.startswith(kind) for value in owed) for kind in ("emit", "enrich", "operator")
    }
    actual["RefusedInPool"] = sum(sim.is_refused(person) for person in sim.observed.confirmed.values())
    reported = {name: sim.gauge(name) for name in actual}
    return None if reported == actual else f"reported {reported}, actual {actual}"


@holds("recovered")
def both_events_published(sim: Simulation) -> str | None:
    """UserSignedUp and UserProvisioned of every provisioned user have been published."""
    for sub, keys in sim.observed.holders.items():
        for kind in ("UserSignedUp", "UserProvisioned"):
            if any("owed" not in sim.item(USERS, key) for key in keys) and not sim.observed.event_counts[kind, sub]:
                return f"{kind} of {sub} was never published"
    return None


@holds("recovered")
def emissions_bounded(sim: Simulation) -> str | None:
    """UserSignedUp is emitted at most 1 + overlapping reconcilers + faults times (a repeated trigger call and a
    deleted record count as faults)."""
    shared_bound = sim.lambdas.reconcilers + len(sim.faults.injected) + sim.lambdas.kills
    for sub in sim.observed.confirmed:
        bound = max(1, sim.observed.trigger_calls[sub]) + sim.observed.deleted[sub] + shared_bound
        if (number := sim.observed.event_counts["UserSignedUp", sub]) > bound:
            return f"{number} emissions of {sub}, at most {bound}"
    return None


@holds("recovered")
def no_untrusted_data(sim: Simulation) -> str | None:
    """No value from `custom:*`, `clientMetadata` or unknown keys reaches a table, an event, a provider or a log."""
    sinks = {
        "tables": [sim.dynamodb.tables[name].items for name in (USERS, PROFILES, OPERATIONS)],
        "events": sim.events.events,
        "provider calls": [call.body for provider in (sim.stripe, sim.revenuecat) for call in provider.calls],
        "dead letters": [message.attributes for message in sim.sqs.messages(DLQ)],
        "log": sim.log.getvalue(),
        "errors of the trigger": sim.observed.trigger_errors,
    }
    return next((f"in {name}" for name, sink in sinks.items() if "canary" in repr(sink)), None)


@holds("redriven")
def redrives_repair(sim: Simulation) -> str | None:
    """Every user owed to the operator is ready after a redrive, once the cause is removed."""
    for sub, keys in sim.observed.holders.items():
        for key in keys:
            if "owed" in sim.item(USERS, key) or sim.text(PROFILES, sub, "provisioningStatus") != "ready":
                return f"{key} owes {sim.text(USERS, key, 'owed') or 'nothing'}"
    return None


@holds("replayed")
def replays_have_no_effect(sim: Simulation, before: list[int], after: list[int]) -> str | None:
    """Replays of ready users call no provider, write nothing and publish nothing."""
    return None if before == after else f"{before} calls, writes and events became {after}"
