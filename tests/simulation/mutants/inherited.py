"""After a relink: which of several intents counts, who marks it, and reading the record again before it is used."""

from __future__ import annotations

from tests.simulation.edits import Edit
from tests.simulation.mutants.mutant import NIA, NIA_AGAIN, ONE_RECEIVE, TWICE, Covered, at, mutant, plan
from tests.simulation.mutants.owed import PROVISION
from tests.simulation.mutants.relink import ALL_THREE, BOTH, INHERITED, NIA_THIRD, ONE_CUSTOMER, RELINKED, to

STRIPE = "onramp.enrichers.stripe:StripeCustomer"
INHERITANCE = "onramp.adapters.profiles:inheritance"
THREE_WORKERS = {"MAXIMUM_CONCURRENCY": "3"}
UNIT = "held by tests/unit/test_relink_rules.py"
TWO_INTENTS = plan(  # the old sub's second epoch is stored late and never posted; the new sub's was posted
    *BOTH,
    at(20, "redrive"),
    to(NIA_AGAIN, 25),
    at(26, "reconcile"),
    to(NIA, 40),
    at(55, "reconcile"),
    faults={"worker-nia-1 StripeCustomers.create": "refused", "worker-nia1-1 StripeCustomers.create": "lost_reply"},
    waits={"worker-nia-2 ProfileTable.store_next_intent": 30},
    settings=ONE_RECEIVE,
)

MUTANTS = (
    mutant(
        "posted_after_a_relink",
        "after each write of an intent: read the record again",
        Edit(f"{STRIPE}._follow", "if not self.still_linked(user):", "if False:"),
        on=plan(*RELINKED, waits={"worker-nia-1 ProfileTable.store_first_intent": 50}),
        only=ONE_CUSTOMER,
    ),
    mutant(
        "posted_by_a_stale_worker",
        "before an intent that was read is used: read the record again",
        Edit(f"{STRIPE}._customer", "self._follow(user, profile) if", "self._proceed(user, profile.intent) if"),
        on=plan(
            at(0, "sign_up", NIA, **TWICE),
            at(5, "sign_up", NIA_AGAIN),
            to(NIA_AGAIN, 10),
            at(11, "reconcile"),
            waits={"worker-nia-1 ProfileTable.store_first_intent": 20, "worker-nia-2 ProfileTable.upsert": 25},
            settings=THREE_WORKERS,
        ),
        only=ONE_CUSTOMER,
    ),
    mutant(
        "still_linked_by_sub_alone",
        "relinked: another sub or another `linkedAt`",
        Edit(
            "onramp.adapters.users:UserTable.still_linked",
            "(stored.cognito_sub, stored.linked_at) == (user.cognito_sub, user.linked_at)",
            "stored.cognito_sub == user.cognito_sub",
        ),
        on=plan(
            *BOTH,
            to(NIA_AGAIN, 10),
            at(15, "reconcile"),
            to(NIA, 20),
            waits={"worker-nia-1 ProfileTable.store_first_intent": 45},
        ),
        only=ONE_CUSTOMER,
    ),
    mutant(
        "later_epoch_wins",
        "of two intents the one with the later (link, epoch): the link first",
        Edit(INHERITANCE, "(intent.link, intent.epoch)", "intent.epoch"),
        on=TWO_INTENTS,
        only=ONE_CUSTOMER,
    ),
    mutant(
        "earliest_intent_wins",
        "of two intents the one with the later (link, epoch)",
        Edit(INHERITANCE, "latest = max(", "latest = min("),
        on=TWO_INTENTS,
        only=ONE_CUSTOMER,
    ),
    mutant(
        "unmarked_intent_posted",
        "an intent of an older link is marked first",
        Edit(f"{STRIPE}._proceed", "if intent.link != (link := user.linked_at or 0):", "if (link := 0):"),
        on=plan(
            *ALL_THREE,
            to(NIA_AGAIN, 10),
            at(11, "reconcile"),
            to(NIA, 20),
            at(21, "reconcile"),
            to(NIA_THIRD, 40),
            at(41, "reconcile"),
            waits={
                "worker-nia-1 ProfileTable.store_first_intent": 25,
                "worker-nia1-1 ProfileTable.store_first_intent": 15,
                "worker-nia-2 ProfileTable.upsert": 10,
            },
            faults={"worker-nia-2 StripeCustomers.create": "lost_reply"},
            settings=ONE_RECEIVE | THREE_WORKERS,
        ),
        only=ONE_CUSTOMER,
    ),
    mutant(
        "no_list_after_a_relink",
        "`linkedBefore` and no intent anywhere: list first",
        Edit(f"{STRIPE}._first", "(old or user.linked_before)", "old"),
        on=plan(*BOTH, at(600, "restore", NIA), to(NIA_AGAIN, 3000), at(3010, "reconcile")),
        only=ONE_CUSTOMER,
    ),
)
COVERED = (
    Covered(
        "epoch_of_inherited_intents",
        (Edit(INHERITANCE, "(intent.link, intent.epoch)", "intent.link"),),
        TWO_INTENTS,
        f"two profiles have intents of one link only if both were stored before intents had a link; {UNIT}",
    ),
    Covered(
        "inherited_intent_not_marked",
        (Edit(INHERITANCE, "replace(latest, link=max(link, latest.link))", "latest"),),
        INHERITED,
        f"the enricher marks it before it uses it (see unmarked_intent_posted); {UNIT}",
    ),
    Covered(
        "not_read_again_after_inheriting",
        (Edit(PROVISION, "if not self.users.still_linked(user):", "if False:"),),
        INHERITED,
        f"the record is read again before an inherited intent is used (see posted_by_a_stale_worker); {UNIT}",
    ),
)
