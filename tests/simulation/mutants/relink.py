"""The rules of a relink: the chain of subs, inheriting, and reading the record again after an intent was stored."""

from __future__ import annotations

from dataclasses import replace

from tests.simulation.edits import Edit
from tests.simulation.mutants.mutant import NIA, NIA_AGAIN, ONE_RECEIVE, at, mutant, plan
from tests.simulation.mutants.owed import PROVISION

NIA_THIRD = replace(NIA, number=2)
LATE = {"worker-nia-1 StripeCustomers.create": "late"}
RELINKED = (
    at(0, "sign_up", NIA),
    at(5, "sign_up", NIA_AGAIN),
    at(30, "relink", email=NIA.email, to=NIA_AGAIN),
    at(35, "reconcile"),
)

MUTANTS = (
    mutant(
        "relink_without_inheriting",
        "10: the new sub's worker inherits the intent",
        Edit(PROVISION, "if user.linked_before:", "if False:"),
        on=plan(*RELINKED, waits={"worker-nia-1 StripeCustomers.create": 45}),
        only="one_stripe_customer_after_relinks",
    ),
    mutant(
        "posted_after_a_relink",
        "after each write of an intent: read the record again",
        Edit("onramp.enrichers.stripe:StripeCustomer._follow", "if not self.still_linked(user):", "if False:"),
        on=plan(*RELINKED, waits={"worker-nia-1 ProfileTable.store_first_intent": 50}),
        only="one_stripe_customer_after_relinks",
    ),
    mutant(
        "relink_remembers_one_sub",
        "10: `linkedBefore` has every earlier sub",
        Edit(
            "onramp.ops.tables.users:UserWrites.relink",
            "list(dict.fromkeys((*user.linked_before, str(user.cognito_sub))))",
            "[str(user.cognito_sub)]",
        ),
        on=plan(
            at(0, "sign_up", NIA),
            at(5, "sign_up", NIA_AGAIN),
            at(6, "sign_up", NIA_THIRD),
            at(30, "relink", email=NIA.email, to=NIA_AGAIN),
            at(32, "relink", email=NIA.email, to=NIA_THIRD),
            at(35, "reconcile"),
            faults=LATE,
        ),
        by=("one_stripe_customer_after_relinks", "one_revenuecat_customer_after_relinks"),
    ),
    mutant(
        "revenuecat_by_present_sub",
        "RevenueCat: the id is the first sub's",
        Edit(
            "onramp.enrichers.revenuecat:RevenueCatCustomer.enrich",
            "next(iter(user.linked_before), profile.sub)",
            "profile.sub",
        ),
        on=plan(*RELINKED, faults={"worker-nia-1 RevenueCatSubscribers.ensure": "lost_reply"}, settings=ONE_RECEIVE),
        only="one_revenuecat_customer_after_relinks",
    ),
    mutant(
        "forged_id_counts",
        "ids: an id counts only with its finished step",
        Edit("onramp.adapters.profile_rows:ids_of", " and is_done(steps.get(step))", ""),
        on=plan(
            at(0, "sign_up", NIA),
            at(10, "forge_customer", NIA, value="cus_of_another_person"),
            waits={"worker-nia-1 ProfileTable.store_first_intent": 30},
        ),
        only="provisioned_with_known_customer",
    ),
)
