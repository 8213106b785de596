"""One mutant for each invariant that no mutant of the other files breaks alone."""

from __future__ import annotations

from typing import Any

from onramp.domain.users import Names
from tests.simulation.edits import Edit, HandlerChange, Value
from tests.simulation.mutants.mutant import HOUR, NIA, OMAR, PIA, QUIN, at, mutant, plan
from tests.simulation.schedules import Person

LATER = {f"bus-nia-{number} deliver": HOUR for number in range(1, 7)}


def whole_batch(handler: Any) -> None:
    report = handler.process_partial_response

    def all_or_nothing(event: Any, *more: Any) -> Any:
        answer = report(event, *more)
        ids = [{"itemIdentifier": record["messageId"]} for record in event["Records"]]
        return {"batchItemFailures": ids if answer["batchItemFailures"] else []}

    handler.process_partial_response = all_or_nothing


def acknowledge_all(handler: Any) -> None:
    heal = handler._healed
    handler._healed = lambda *given: heal(*given) or True


MUTANTS = (
    mutant(
        "failed_heal_acknowledged",
        "the heal's message stays until the user has a record",
        HandlerChange("heal_signup", acknowledge_all),
        on=plan(
            at(0, "sign_up", NIA),
            faults={"sign_up-1/call-1 UserTable.claim": "not_sent", "heal-nia-1 UserTable.claim": "not_sent"},
        ),
        only="handed_over_signups_need_no_sweep",
    ),
    mutant(
        "address_not_canonical",
        "one record per canonical e-mail",
        Edit("onramp.domain.identity:canonical_email", "return value.lower()", "return value"),
        Value("onramp.domain.claims:canonical_email", lambda value: value),
        on=plan(at(0, "sign_up", Person("nia", "Nia@example.com"))),
        only="one_record_per_address",
    ),
    mutant(
        "link_where_only_create_is_allowed",
        "1: attribute_not_exists(userId) where the trust table only lets it create",
        Edit("onramp.adapters.users:UserTable.claim", "'cognitoSub' if claim.may_link else 'userId'", "'cognitoSub'"),
        on=plan(
            at(0, "pre_create", email=NIA.email, role="admin"),
            at(9, "sign_up", Person("nia", NIA.email, "google_unverified")),
        ),
        only="claimed_only_as_trusted",
    ),
    mutant(
        "roles_not_default",
        "roles only from admins or exactly the default",
        Edit("onramp.adapters.users:_claim_update", "[claim.default_role]", '["admin"]'),
        on=plan(at(0, "sign_up", NIA)),
        only="roles_from_admins_or_default",
    ),
    mutant(
        "heal_without_the_index",
        "one sub on at most one record",
        Edit("onramp.usecases.heal:decide", "facts.holder_of(user.sub)", "None"),
        on=plan(at(0, "sign_up", NIA), at(HOUR, "change_email", NIA, to="nia.new@example.com")),
        only="sub_set_once",
    ),
    mutant(
        "flip_makes_half_a_record",
        "every update carries cognitoSub = :sub",
        Value("onramp.adapters.owed:_EMIT", "(begins_with(owed, :emit) OR attribute_not_exists(userId))"),
        Edit(
            "onramp.adapters.owed:OwedLedger._request",
            '"cognitoSub = :sub"',
            '"(cognitoSub = :sub OR attribute_not_exists(userId))"',
        ),
        on=plan(
            at(0, "sign_up", NIA),
            at(9, "delete", email=NIA.email),
            waits={"worker-nia-1 StripeCustomers.create": 30},
            faults={"worker-nia-1 StripeCustomers.create": "server_error"},
        ),
        only="no_half_records",
    ),
    mutant(
        "whole_batch_fails",
        "a poison message fails alone",
        HandlerChange("enrich_profile", whole_batch),
        on=plan(
            at(0, "sign_up", NIA),
            at(0, "sign_up", OMAR),
            at(5, "sign_up", PIA),
            at(5, "sign_up", QUIN),
            waits={"worker-nia-1 UserTable.get": 20, "worker-omar-1 UserTable.get": 20},
            faults={"worker-pia-1 UserTable.get": "server_error"},
        ),
        only="poison_fails_alone",
    ),
    mutant(
        "failure_acknowledged",
        "acknowledged only after durable",
        Edit(
            "onramp.usecases.enrich:Enrich._retry",
            "raise RetryLater(error, delay, sub) from error",
            'return Result("lost", sub)',
        ),
        on=plan(at(0, "sign_up", NIA), faults={"worker-nia-1 StripeCustomers.create": "server_error"}),
        only="acknowledged_only_after_durable",
    ),
    mutant(
        "throttling_is_final",
        "only refusals are final",
        Edit("onramp.adapters.stripe:_translated", "in (408, 409, 429)", "in (408, 409)"),
        on=plan(at(0, "sign_up", NIA), faults={"worker-nia-1 StripeCustomers.create": "throttled"}),
        only="only_refusals_are_final",
    ),
    mutant(
        "emit_at_every_run",
        "emissions are bounded",
        Edit("onramp.usecases.reconcile:Reconcile.emit", "for user in accepted:", "for user in ():"),
        on=plan(at(0, "sign_up", NIA), *(at(400 * run, "reconcile") for run in range(1, 6)), waits=LATER),
        only="emissions_bounded",
    ),
    mutant(
        "operator_not_counted",
        "what is owed is counted by kind",
        Edit(
            "onramp.usecases.reconcile:Reconcile.survey",
            "kind: len(found)",
            "kind: len(found) * (kind != Owed.OPERATOR)",
        ),
        on=plan(at(0, "sign_up", NIA), faults={"worker-nia-1 RevenueCatSubscribers.ensure": "refused"}),
        only="gauges_match_tables",
    ),
    mutant(
        "names_from_custom_attributes",
        "nothing from custom attributes",
        Value("onramp.domain.claims:_names", lambda attributes: Names(attributes.get("custom:roles"))),
        on=plan(at(0, "sign_up", NIA)),
        only="no_untrusted_data",
    ),
)
