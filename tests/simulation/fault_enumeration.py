"""Every call with every fault, and all pairs of faults, in each scenario of one user."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tests.simulation.mutants.mutant import HOUR, NIA, ONE_RECEIVE, TWICE, at, plan
from tests.simulation.runner import run_schedule
from tests.simulation.schedules import Schedule, Spot

REFUSED = {"worker-nia-1 RevenueCatSubscribers.ensure": "refused"}
SCENARIOS = {
    "signup": plan(at(0, "sign_up", NIA), at(400, "reconcile")),
    "prepared": plan(at(0, "pre_create", email=NIA.email, role="admin"), at(9, "sign_up", NIA)),
    "healed": plan(at(0, "sign_up", NIA, calls=()), at(700, "reconcile")),
    "handed over": plan(at(0, "sign_up", NIA), faults={"sign_up-1/call-1 UserTable.claim": "not_sent"}),
    "sign-in": plan(at(0, "sign_up", NIA, calls=()), at(700, "sign_in", NIA)),
    "lost on the bus": plan(
        at(0, "sign_up", NIA),
        at(400, "reconcile"),
        at(13 * HOUR, "reconcile"),
        faults={"bus-nia-1 deliver": "lost", "bus-nia-2 deliver": "lost"},
    ),
    "refused": plan(at(0, "sign_up", NIA), at(99, "redrive"), at(2000, "redrive_from_table"), faults=REFUSED),
    "ready after refusal": plan(
        at(0, "sign_up", NIA, **TWICE),
        at(400, "reconcile"),
        waits={"worker-nia-1 ProfileTable.mark_ready": 40},
        faults={
            "worker-nia-2 RevenueCatSubscribers.ensure": "refused",
            "worker-nia-1 EventBus.publish": "killed_before",
        },
        settings=ONE_RECEIVE,
    ),
    "replayed": plan(at(0, "sign_up", NIA), at(99, "replay", NIA)),
    "retried": plan(at(0, "sign_up", NIA), faults={"worker-nia-1 StripeCustomers.create": "not_sent"}),
    "refused by Stripe": plan(
        at(0, "sign_up", NIA),
        at(99, "empty_dead_letters"),
        at(999, "redrive_from_table"),
        faults={"worker-nia-1 StripeCustomers.create": "refused"},
    ),
    "refused while the bus is down": plan(
        at(0, "sign_up", NIA),
        faults={
            "worker-nia-1 RevenueCatSubscribers.ensure": "refused",
            "worker-nia-1 EventBus.publish": "server_error",
        },
    ),
    "next epoch": plan(
        at(0, "sign_up", NIA),
        at(22 * HOUR, "replay", NIA),
        faults={"worker-nia-1 StripeCustomers.create": "not_sent"},
        settings=ONE_RECEIVE,
    ),
    "old intent": plan(
        at(0, "sign_up", NIA),
        at(22 * HOUR, "replay", NIA),
        faults={"worker-nia-1 StripeCustomers.create": "lost_reply"},
        settings=ONE_RECEIVE,
    ),
}


# To the code these look like `not_sent` or `lost_reply`, an error that may be retried: pairs leave them out.
ALIKE = {"refused", "throttled", "server_error", "bad_gateway", "failed_after"}


def single_faults(scenario: Schedule) -> Iterator[Schedule]:
    """Each call of the scenario with each fault it can have."""
    for spot, kinds in run_schedule(scenario).possible.items():
        for kind in kinds if spot not in scenario.faults else ():
            yield _with_fault(scenario, spot, kind)


def distinct_faults(scenario: Schedule) -> Iterator[Schedule]:
    """The single faults that pairs are made of: without those of `ALIKE`, and only one of a run's owed queries."""
    for spot, kinds in run_schedule(scenario).possible.items():
        for kind in _distinct(spot, kinds) if spot not in scenario.faults else ():
            yield _with_fault(scenario, spot, kind)


def _distinct(spot: Spot, kinds: Sequence[str]) -> Iterator[str]:
    """`ALIKE` holds for AWS calls only: a provider's answers all differ."""
    at_provider = "stored_500" in kinds
    if not spot[1].startswith("OwedIndex.of@"):
        yield from (kind for kind in kinds if at_provider or kind not in ALIKE)


def fault_pairs(scenario: Schedule, first: Schedule) -> Iterator[Schedule]:
    """A single fault together with each fault of each later call, including the calls of the repair."""
    (first_spot,) = first.faults.keys() - scenario.faults.keys()
    calls = list(run_schedule(first).possible.items())
    later = calls[[spot for spot, _ in calls].index(first_spot) + 1 :]
    for spot, kinds in later:
        for kind in _distinct(spot, kinds) if spot not in first.faults else ():
            yield _with_fault(first, spot, kind)


def _with_fault(scenario: Schedule, spot: Spot, kind: str) -> Schedule:
    return replace(scenario, faults={**scenario.faults, spot: kind})
