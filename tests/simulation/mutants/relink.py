"""The rules of a relink: the one write, the chain of subs, inheriting."""

from __future__ import annotations

from dataclasses import replace

from tests.simulation.edits import Edit
from tests.simulation.mutants.mutant import NIA, NIA_AGAIN, ONE_RECEIVE, Covered, at, mutant, plan
from tests.simulation.mutants.owed import PROVISION
from tests.simulation.schedules import Person, Step

RELINK = "onramp.ops.tables.users:UserWrites.relink"
ONE_CUSTOMER = "one_stripe_customer_after_relinks"
NIA_THIRD = replace(NIA, number=2)


def to(person: Person, seconds: float, behind: float = 0) -> Step:
    """`behind`: seconds that the operator's clock is behind."""
    return at(seconds, "relink", email=NIA.email, to=person, behind=behind)


LATE = {"worker-nia-1 StripeCustomers.create": "late"}
LOST = {"worker-nia-1 StripeCustomers.create": "lost_reply"}
BOTH = (at(0, "sign_up", NIA), at(5, "sign_up", NIA_AGAIN))
ALL_THREE = (*BOTH, at(6, "sign_up", NIA_THIRD))
RELINKED = (*BOTH, to(NIA_AGAIN, 30), at(35, "reconcile"))
INHERITED = plan(*RELINKED, faults=LOST, settings=ONE_RECEIVE)

MUTANTS = (
    mutant(
        "relink_without_inheriting",
        "10: the new sub's worker inherits the intent",
        Edit(PROVISION, "if user.linked_before:", "if False:"),
        on=plan(*RELINKED, waits={"worker-nia-1 StripeCustomers.create": 45}),
        only=ONE_CUSTOMER,
    ),
    mutant(
        "relink_remembers_one_sub",
        "10: `linkedBefore` has every earlier sub",
        Edit(
            RELINK,
            "list(dict.fromkeys((*user.linked_before, str(user.cognito_sub))))",
            "[str(user.cognito_sub)]",
        ),
        on=plan(
            *ALL_THREE,
            to(NIA_AGAIN, 30),
            to(NIA_THIRD, 32),
            at(35, "reconcile"),
            faults=LATE,
        ),
        by=(ONE_CUSTOMER, "one_revenuecat_customer_after_relinks"),
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
    mutant(
        "relink_of_an_older_read",
        "10: `linkedAt = :read`",
        Edit(RELINK, "if user.linked_at is not None:", "if False:"),
        on=plan(
            *ALL_THREE,
            to(NIA_THIRD, 10),
            to(NIA_AGAIN, 12),
            at(13, "reconcile"),
            to(NIA, 30),
            at(45, "reconcile"),
            waits={"relink-4 users.UserWrites.relink": 30},
            faults={
                "worker-nia-1 ProfileTable.upsert": "killed_before",
                "worker-nia1-1 StripeCustomers.create": "lost_reply",
            },
            settings=ONE_RECEIVE,
        ),
        only=ONE_CUSTOMER,
    ),
)
COVERED = (
    Covered(
        "relink_without_the_sub",
        (
            Edit(
                RELINK,
                'condition = "cognitoSub = :old"',
                'condition = "(cognitoSub = :old OR attribute_exists(userId))"',
            ),
        ),
        INHERITED,
        "each relink changes `linkedAt` too (see relink_of_an_older_read); where an edit by hand has removed it, "
        "tests/contracts/test_operator_users.py holds the condition",
    ),
    Covered(
        "relink_by_the_clock",
        (Edit(RELINK, "max(claim.at, (user.linked_at or 0) + 1)", "claim.at"),),
        plan(*BOTH, to(NIA_AGAIN, 10, behind=3600), at(15, "reconcile"), faults=LOST, settings=ONE_RECEIVE),
        "the worker marks an intent of a later link; a record that is relinked and back must have a later `linkedAt`, "
        "which tests/contracts/test_operator_users.py holds",
    ),
)
