"""The protocols that one would write first."""

from __future__ import annotations

from typing import Any

from onramp.domain.event_data import Origin, user_signed_up
from onramp.domain.users import Claim
from onramp.usecases.messages import MessageOutcome, Result
from onramp.usecases.signup import SignedUp, SignUp
from tests.simulation.edits import Edit, HandlerChange, Value
from tests.simulation.mutants.mutant import HOUR, NIA, NIA_AGAIN, ONE_RECEIVE, at, mutant, plan

CREATE = "onramp.adapters.stripe:StripeCustomers.create"
CLAIM = "onramp.adapters.users:UserTable.claim"
OWING_NOTHING = (
    Edit("onramp.adapters.users:_CLAIM", ", owed = :owed, owedSince = :now, dueAt = :due", ""),
    Edit("onramp.adapters.users:identity_values", '":owed": claim.owed,', ""),
    Edit("onramp.adapters.users:identity_values", '":due": claim.due_at,', ""),
)


def emit_first(
    self: SignUp, claim: Claim, *, correlation_id: str, origin: Origin = Origin.SIGNUP, **_: Any
) -> SignedUp:
    self.publisher.publish(user_signed_up(claim.as_new_user(), correlation_id=correlation_id, origin=origin))
    outcome, user = self._settle(claim)
    return SignedUp(outcome, user)


def by_message_id(handler: Any) -> None:
    seen: set[str] = set()
    enrich = handler._enrich

    def once(record: Any) -> Result:
        if record["messageId"] in seen:
            return Result(MessageOutcome.ALREADY_PROVISIONED)
        result: Result = enrich(record)
        seen.add(record["messageId"])
        return result

    handler._enrich = once


MUTANTS = (
    mutant(
        "stripe_without_a_key",
        "Stripe: no idempotency key",
        Edit(CREATE, 'options={"idempotency_key": key}', "options={}"),
        on=plan(at(0, "sign_up", NIA), faults={"worker-nia-1 StripeCustomers.create": "lost_reply"}),
        only="one_stripe_customer",
    ),
    mutant(
        "stripe_with_a_key_only",
        "Stripe: a key, and nothing stored",
        Edit(
            "onramp.enrichers.stripe:StripeCustomer._customer",
            "return self._follow(user, profile) if profile.intent else self._first(user, profile)",
            "return self.customers.create(_body(user), user.cognito_sub)",
        ),
        on=plan(
            at(0, "sign_up", NIA),
            at(25 * HOUR, "replay", NIA),
            faults={"worker-nia-1 StripeCustomers.create": "lost_reply"},
            settings=ONE_RECEIVE,
        ),
        only="one_stripe_customer",
    ),
    mutant(
        "emit_before_write",
        "1: write, then PutEvents",
        Value("onramp.usecases.signup:SignUp.__call__", emit_first),
        on=plan(at(0, "sign_up", NIA), faults={"sign_up-1/call-1 UserTable.claim": "not_sent"}),
        only="no_event_without_its_cause",
    ),
    mutant(
        "nothing_marked_as_owed",
        "what is owed",
        *OWING_NOTHING,
        on=plan(at(0, "sign_up", NIA), faults={"sign_up-1/call-1 EventBus.publish": "not_sent"}),
        by=("settled_only_when_ready", "no_half_records", "both_events_published", "redrives_repair"),
    ),
    mutant(
        "no_pool_sweep",
        "the sweep",
        Edit(
            "onramp.usecases.sweep:Sweep._heal",
            "return self.heal(user, correlation_id=run.correlation_id, record_of=records.get).value",
            'return "has_record"',
        ),
        on=plan(at(0, "sign_up", NIA, calls=())),
        only="every_signup_ends",
    ),
    mutant(
        "unconditional_set_of_the_sub",
        "1: attribute_not_exists(cognitoSub)",
        Edit(CLAIM, "{'cognitoSub' if claim.may_link else 'userId'}", "nothing"),
        on=plan(at(0, "sign_up", NIA), at(9, "sign_up", NIA_AGAIN)),
        by=("sub_set_once",),
    ),
    mutant(
        "ids_saved_unconditionally",
        "ids: written with their step, once",
        Edit(
            "onramp.adapters.profiles:ProfileTable._update_step",
            'not_done("#step")',
            '"attribute_exists(userId) OR #provisioning.#step.#state = :done"',
        ),
        on=plan(
            at(0, "sign_up", NIA),
            at(10, "import_customer", NIA, value="cus_imported"),
            waits={"worker-nia-1 ProfileTable.save_step": 30, "worker-nia-1 ProfileTable.save_step@2": 30},
        ),
        only="provider_ids_written_once",
    ),
    mutant(
        "dedup_by_message_id",
        "the stored step, and the short cut",
        HandlerChange("enrich_profile", by_message_id),
        Edit("onramp.usecases.enrich:Enrich._provision", "if user.owed is None and", "if False and"),
        Edit("onramp.domain.users:Profile.done", '== "done"', '== "never"'),
        on=plan(at(0, "sign_up", NIA)),
        only="replays_have_no_effect",
    ),
)
