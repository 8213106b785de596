"""Profiles and provider customers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.pipeline import PROFILES
from tests.simulation.invariants.registry import holds

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation
    from tests.simulation.writes import Write

PROVIDER_IDS = ("stripeCustomerId", "revenueCatId")


@holds("written")
def ready_stays_ready(sim: Simulation, write: Write) -> str | None:
    """A profile's status never goes backwards."""
    if write.table == PROFILES and write.new and write.before("provisioningStatus") == "ready":
        status = write.after("provisioningStatus")
        return f"{write.label} replaced ready by {status}" if status != "ready" else None
    return None


@holds("written")
def user_edits_survive(sim: Simulation, write: Write) -> str | None:
    """A value that a user edited is never changed by the pipeline."""
    own = sim.observed.user_names.get(write.key)
    if write.table == PROFILES and write.new and own and write.after("displayName") != own:
        return f"{write.label} replaced the user's own {own} by {write.after('displayName')}"
    return None


@holds("written")
def provider_ids_written_once(sim: Simulation, write: Write) -> str | None:
    """A provider's id is written once."""
    for name in PROVIDER_IDS if write.table == PROFILES and write.new else ():
        if (old := write.before(name)) and write.after(name) != old:
            return f"{write.label} replaced the {name} {old} by {write.after(name)}"
    return None


@holds("written")
def stripe_ids_belong_to_user(sim: Simulation, write: Write) -> str | None:
    """A worker stores the id of the user's own customer, never of one that only has the same address."""
    stored = write.after("stripeCustomerId") if write.table == PROFILES else None
    if not stored or write.role != "worker" or stored == write.before("stripeCustomerId"):
        return None
    owner = sim.observed.customer_subs.get(stored)
    return f"{write.label} stored {stored} of {owner} for {write.key}" if owner != write.key else None


@holds("customer_created")
def one_stripe_customer(sim: Simulation, pool_and_sub: tuple[str, str]) -> str | None:
    """At most one Stripe customer per (pool, sub), ever."""
    number = sim.observed.customer_counts[pool_and_sub]
    return f"{number} customers of {pool_and_sub}" if number > 1 else None
