"""Profiles and provider customers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from onramp.domain.users import ID_OF_STEP
from tests.fakes.attributes import Item
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
    """A provider's id is written once. Only an id without its finished step, another writer's, is replaced."""
    for name in PROVIDER_IDS if write.table == PROFILES and write.new else ():
        if name in proven_ids(write.old or {}) and (old := write.before(name)) and write.after(name) != old:
            return f"{write.label} replaced the {name} {old} by {write.after(name)}"
    return None


@holds("written")
def stripe_ids_belong_to_user(sim: Simulation, write: Write) -> str | None:
    """A worker stores the id of the user's own customer, or inherits one, never of one with only the same address."""
    stored = write.after("stripeCustomerId") if write.table == PROFILES else None
    if not stored or write.role != "worker" or stored == write.before("stripeCustomerId"):
        return None
    owner, chain = sim.observed.customer_subs.get(stored), sim.observed.chain(write.key)
    own = owner in chain or any(sim.text(PROFILES, sub, "stripeCustomerId") == stored for sub in chain - {write.key})
    return None if own else f"{write.label} stored {stored} of {owner} for {write.key}"


@holds("customer_created")
def one_stripe_customer(sim: Simulation, pool_and_sub: tuple[str, str]) -> str | None:
    """At most one Stripe customer per (pool, sub), ever."""
    number = sim.observed.customer_counts[pool_and_sub]
    return f"{number} customers of {pool_and_sub}" if number > 1 else None


@holds("customer_created")
def one_stripe_customer_after_relinks(sim: Simulation, pool_and_sub: tuple[str, str]) -> str | None:
    """No second Stripe customer is created for a record, whichever of its subs has the first."""
    sub = pool_and_sub[1]
    others = _subs_of_record(sim, sub) - {sub}
    earlier = sorted(others.intersection(sim.observed.customer_owners)) if others else []
    return f"a customer of {sub} beside those of {earlier}" if earlier else None


@holds("recovered")
def one_revenuecat_customer_after_relinks(sim: Simulation) -> str | None:
    """All subs of a record have one RevenueCat customer. Where a record was deleted, both had one before the relink."""
    ids = {str(customer["id"]) for customer in sim.revenuecat.customers()}
    for chain in {_subs_of_record(sim, sub) for sub in sim.observed.relink_chains if sim.observed.holders[sub]}:
        if len(both := ids & chain) > 1 and not any(sim.observed.deleted[sub] for sub in chain):
            return f"customers {sorted(both)} of one record"
    return None


@holds("published")
def provisioned_with_known_customer(sim: Simulation, envelope: Mapping[str, Any]) -> str | None:
    """UserProvisioned names a customer that Stripe created, or that a migration set: never one that a user set."""
    customer = envelope["detail"]["data"].get("stripeCustomerId", "")
    known = not customer or customer in sim.observed.customer_subs or customer.startswith("cus_imported")
    return None if known else f"UserProvisioned of {envelope['detail']['data']['cognitoSub']} with {customer}"


def _subs_of_record(sim: Simulation, sub: str) -> frozenset[str]:
    """All that relinks have joined, without those with a record of their own since. A late worker's sub has none."""
    holders, chain = sim.observed.holders, sim.observed.chain(sub)
    if not holders[sub]:
        return chain
    return frozenset(one for one in chain if not holders[one] or holders[one] & holders[sub])


def proven_ids(item: Item) -> set[str]:
    """Ids with the step record that was written beside them."""
    steps = item.get("provisioning", {}).get("M", {})
    done = {step for step, record in steps.items() if record.get("M", {}).get("state") == {"S": "done"}}
    return {name for step, name in ID_OF_STEP.items() if step in done}
