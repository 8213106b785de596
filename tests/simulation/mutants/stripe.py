"""The protocol's Stripe section: the stored intent, its three ages, and what burns it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from onramp.adapters.profiles import ProfileTable
from onramp.domain.users import Intent, Profile
from tests.simulation.edits import Edit, Value
from tests.simulation.mutants.mutant import HOUR, NIA, ONE_RECEIVE, TWICE, Covered, at, mutant, plan

STRIPE = "onramp.enrichers.stripe:StripeCustomer"
UNANSWERED = {"worker-nia-1 StripeCustomers.create": "not_sent"}
RESTORED = (at(60, "sign_up", NIA), at(30 * HOUR, "restore", NIA))


def by_add(self: ProfileTable, sub: str, burnt: Intent, intent: Intent) -> Profile:
    """Increments the epoch even if another worker has done so too."""
    add = "ADD #provisioning.stripeIntent.epoch :one"
    epoch = self._update(sub, add, {":one": 1})[1].intent.epoch  # type: ignore[union-attr]
    fresh = replace(intent, epoch=epoch, key=f"{intent.key.rpartition('/')[0]}/{epoch}")
    return self._store_intent(sub, fresh, "attribute_exists(userId)", {}, {})


def refreshing(self: Any, user: Any, intent: Intent, *, last: bool) -> Any:
    """The time of the latest attempt instead of the first."""
    now = replace(intent, created_at=self.clock())
    self.intents.store_next_intent(user.cognito_sub, intent, now)
    return self.customers.create(intent.body, intent.key)


MUTANTS = (
    mutant(
        "no_quiet_hour",
        "20 to 21 h old: neither",
        Value("onramp.enrichers.stripe:KEY_IS_GONE", 20 * 3_600_000),
        on=plan(
            at(0, "sign_up", NIA),
            at(20 * HOUR - 10, "replay", NIA),
            at(20 * HOUR + 3, "replay", NIA),
            faults={**UNANSWERED, "worker-nia-2 StripeCustomers.create": "late"},
            settings=ONE_RECEIVE,
        ),
        only="one_stripe_customer",
    ),
    mutant(
        "no_list_after_key_expiry",
        "older than 21 h: list",
        Edit(f"{STRIPE}._proceed", "self._adopt(user, intent) or self._next(user, intent)", "self._next(user, intent)"),
        on=plan(
            at(0, "sign_up", NIA),
            at(25 * HOUR, "replay", NIA),
            faults={"worker-nia-1 StripeCustomers.create": "lost_reply"},
            settings=ONE_RECEIVE,
        ),
        only="one_stripe_customer",
    ),
    mutant(
        "time_refreshed",
        "the time is never refreshed",
        Value(f"{STRIPE}._post", refreshing),
        on=plan(
            at(0, "sign_up", NIA),
            at(19 * HOUR, "replay", NIA),
            at(38 * HOUR, "replay", NIA),
            faults={
                "worker-nia-1 StripeCustomers.create": "lost_reply",
                "worker-nia-2 StripeCustomers.create": "throttled",
            },
            settings=ONE_RECEIVE,
        ),
        only="one_stripe_customer",
    ),
    mutant(
        "no_list_on_restored_table",
        "no intent, but linked long ago: list first",
        Edit(f"{STRIPE}._first", "> KEY_IS_SAFE", "< 0"),
        on=plan(*RESTORED),
        only="one_stripe_customer",
    ),
    mutant(
        "first_500_burns",
        "only a replayed 500 proves a key dead",
        Edit("onramp.adapters.stripe:_translated", "ReplayedFailure() if replayed else", "ReplayedFailure() or"),
        on=plan(at(0, "sign_up", NIA), faults={"worker-nia-1 StripeCustomers.create": "failed_late"}),
        only="one_stripe_customer",
    ),
    mutant(
        "refusal_keeps_intent",
        "a definite 4xx burns the intent",
        Edit(f"{STRIPE}._post", "replace(intent, created_at=BURNT)", "intent"),
        on=plan(
            at(0, "sign_up", NIA),
            at(1, "refuse", of="stripe", match="name=Nia"),
            at(99, "edit", email=NIA.email, role="manager", name="Mended"),
            waits={"bus-nia-1 deliver": 9},
        ),
        by=("redrives_repair",),
    ),
    mutant(
        "adopted_by_address_alone",
        "never by e-mail alone",
        Edit(f"{STRIPE}._adopt", "if _is_of(customer, user) or all(", "if True or all("),
        on=plan(at(0, "foreign_customers", NIA, count=1), *RESTORED),
        only="stripe_ids_belong_to_user",
    ),
    mutant(
        "first_page_only",
        "list all pages",
        Edit("onramp.adapters.stripe:StripeCustomers.with_email", "while page.has_more and page.data", "while False"),
        on=plan(*RESTORED, at(99, "foreign_customers", NIA, count=120)),
        only="one_stripe_customer",
    ),
    mutant(
        "next_epoch_by_add",
        "next epoch: a computed value, never ADD",
        Value("onramp.adapters.profiles:ProfileTable.store_next_intent", by_add),
        on=plan(
            at(0, "sign_up", NIA),
            at(22 * HOUR, "replay", NIA),
            at(22 * HOUR, "replay", NIA),
            faults=UNANSWERED,
            settings=ONE_RECEIVE,
        ),
        only="one_stripe_customer",
    ),
)
TWO_WORKERS = plan(
    at(0, "sign_up", NIA, **TWICE),
    waits={"worker-nia-2 ProfileTable.store_first_intent": 20},
    faults={"worker-nia-1 StripeCustomers.create": "lost_reply"},
)
COVERED = (
    Covered(
        "first_intent_over_another",
        (
            Edit(
                "onramp.adapters.profiles:ProfileTable.store_first_intent",
                "f\"{NO_INTENT} AND {not_done('stripe')}\"",
                '"attribute_exists(userId) OR #provisioning.stripe.#state = :done"',
            ),
        ),
        TWO_WORKERS,
        "the key contains no time, so that both workers store the same key and body; and a worker that read no intent "
        "is at most its own minute late, which is less than the quiet hour",
    ),
    Covered(
        "next_epoch_over_another",
        (
            Edit(
                "onramp.adapters.profiles:ProfileTable.store_next_intent",
                "SAME_INTENT",
                'f"({SAME_INTENT}) OR attribute_exists(userId)"',
            ),
        ),
        plan(
            at(0, "sign_up", NIA),
            at(22 * HOUR, "replay", NIA),
            at(22 * HOUR, "replay", NIA),
            faults=UNANSWERED,
            settings=ONE_RECEIVE,
        ),
        "the next epoch is computed, so that two workers compute the same one (see next_epoch_by_add)",
    ),
    Covered(
        "replayed_500_not_recognised",
        (Edit("onramp.adapters.stripe:_translated", "ReplayedFailure() if replayed else ", ""),),
        plan(at(0, "sign_up", NIA), faults={"worker-nia-1 StripeCustomers.create": "stored_500"}),
        "the intent's age repairs it: a day later instead of seconds",
    ),
)
