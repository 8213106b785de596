"""Every call with every fault, and all pairs of them, on the ways that one user can take through the pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from tests.simulation.mutants.mutant import HOUR, NIA, ONE_RECEIVE, TWICE, at, plan
from tests.simulation.reckoning import play
from tests.simulation.schedules import Schedule, Spot

REFUSED = {"worker-nia-1 RevenueCatSubscribers.ensure": "refused"}
WAYS = {
    "signup": plan(at(0, "sign_up", NIA), at(400, "reconcile")),
    "prepared": plan(at(0, "pre_create", email=NIA.email, role="admin"), at(9, "sign_up", NIA)),
    "healed": plan(at(0, "sign_up", NIA, calls=()), at(700, "reconcile")),
    "sign-in": plan(at(0, "sign_up", NIA, calls=()), at(700, "sign_in", NIA)),
    "unheard": plan(
        at(0, "sign_up", NIA),
        at(400, "reconcile"),
        at(13 * HOUR, "reconcile"),
        faults={"bus-nia-1 deliver": "lost", "bus-nia-2 deliver": "lost"},
    ),
    "refused": plan(at(0, "sign_up", NIA), at(99, "redrive"), at(2000, "redrive_from_table"), faults=REFUSED),
    "ready all the same": plan(
        at(0, "sign_up", NIA, **TWICE),
        at(400, "reconcile"),
        waits={"worker-nia-1 ProfileTable.mark_ready": 40},
        faults={
            "worker-nia-2 RevenueCatSubscribers.ensure": "refused",
            "worker-nia-1 EventBus.publish": "killed_before",
        },
        settings=ONE_RECEIVE,
    ),
    "again": plan(at(0, "sign_up", NIA), at(99, "replay", NIA)),
    "retried": plan(at(0, "sign_up", NIA), faults={"worker-nia-1 StripeCustomers.create": "not_sent"}),
    "refused by Stripe": plan(
        at(0, "sign_up", NIA),
        at(99, "empty_dead_letters"),
        at(999, "redrive_from_table"),
        faults={"worker-nia-1 StripeCustomers.create": "refused"},
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


# To the code these are one fault: nothing happened, and an error that may be retried says so.
ALIKE = {"refused", "throttled", "server_error", "bad_gateway", "failed_after"}


def singles(way: Schedule) -> Iterator[Schedule]:
    """Each call of the way with each fault it can have."""
    for spot, kinds in play(way).offered.items():
        for kind in kinds if spot not in way.faults else ():
            yield _and(way, spot, kind)


def unlike(way: Schedule) -> Iterator[Schedule]:
    """The singles of which pairs are made: one of the faults that are alike, one of the twelve queries of a run."""
    for spot, kinds in play(way).offered.items():
        for kind in _unlike(spot, kinds) if spot not in way.faults else ():
            yield _and(way, spot, kind)


def _unlike(spot: Spot, kinds: Sequence[str]) -> Iterator[str]:
    """Of an AWS call; a provider's answers all differ."""
    at_provider = "stored_500" in kinds
    if not spot[1].startswith("OwedIndex.of@"):
        yield from (kind for kind in kinds if at_provider or kind not in ALIKE)


def pairs(way: Schedule, first: Schedule) -> Iterator[Schedule]:
    """A single fault of the way together with each fault of each call after it, those of the repair too."""
    (struck,) = first.faults.keys() - way.faults.keys()
    calls = list(play(first).offered.items())
    later = calls[[spot for spot, _ in calls].index(struck) + 1 :]
    for spot, kinds in later:
        for kind in _unlike(spot, kinds) if spot not in first.faults else ():
            yield _and(first, spot, kind)


def _and(way: Schedule, spot: Spot, kind: str) -> Schedule:
    return replace(way, faults={**way.faults, spot: kind})
