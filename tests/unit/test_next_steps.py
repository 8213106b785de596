"""Each command that is advised is run in the state in which it is advised, and moves the user on.

A case plants the state, finds the advice as a command prints it, runs the commands of the advice as typed, and says
what must be the case afterwards. Every entry of NEXT_STEPS has a case. Where the advice is only to look, nothing may
change, and the advice says nothing of a change.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from onramp.domain.event_data import Origin, delivery, user_signed_up
from onramp.domain.users import User
from onramp.local.fakes.faults import Fault
from onramp.ops.common import queue_reader
from onramp.ops.common.next_steps import NEXT_STEPS, next_step
from onramp.ops.common.shell import call_options
from onramp.ops.doctor import secrets
from onramp.ops.doctor.owed import owed
from onramp.ops.doctor.wiring import DoctorWiring
from onramp.ops.user.reference import LoggedCall, reference_data
from tests.dlq_scenario import DlqScenario, strings
from tests.operator_context import operator_context
from tests.pipeline import DLQ, POOL, QUEUE, USERS
from tests.unit.typing_operator import OPTIONS, Operator, without_options
from tests.unit.user_scenario import EMAIL, NEW, OLD, UserScenario, in_pool


@pytest.fixture(autouse=True)
def _no_long_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_reader, "LONG_POLL_SECONDS", 0)


def provisioned(operator: Operator) -> None:
    scenario = operator.scenario
    scenario.run_worker()
    assert (scenario.is_ready(EMAIL), operator.letters) == (True, 0)


def provisioned_beside_a_letter(operator: Operator) -> None:
    assert (operator.scenario.is_ready(EMAIL), operator.letters) == (True, 1)


def provisioned_later(operator: Operator) -> None:
    operator.scenario.stripe.faults.clear()
    operator.scenario.run_worker_for(1)
    provisioned(operator)


def nothing_changed(operator: Operator) -> None:
    assert operator.state() == operator.before


def recorded_by_the_sweep(operator: Operator) -> None:
    """The cause is fixed."""
    operator.scenario.clock.advance(3600)
    operator.scenario.reconcile()
    provisioned(operator)


def no_letter(operator: Operator) -> None:
    assert operator.letters == 0


def refused(operator: Operator) -> None:
    """Stripe refused the user; the cause is fixed now."""
    operator.scenario.refuse(EMAIL, OLD)
    operator.scenario.stripe.faults.clear()


def refused_for_good(operator: Operator) -> None:
    operator.scenario.refuse(EMAIL, OLD)


def dropped(operator: Operator) -> None:
    refused(operator)
    assert operator.scenario.drop(reasons=("stripe_refused_400",)).dropped == 1


def settled(operator: Operator) -> None:
    refused(operator)
    operator.scenario.copy(EMAIL)
    letters = operator.scenario.sqs.messages(DLQ)
    operator.scenario.redrive(id=letters[0].id)
    if not operator.letters:
        operator.scenario.sqs.put(DLQ, letters[0].body, letters[0].attributes)


def forgotten(operator: Operator) -> None:
    refused(operator)
    (letter,) = operator.scenario.sqs.messages(DLQ)
    UserScenario(operator.scenario).forget(EMAIL)
    operator.scenario.sqs.put(DLQ, letter.body, letter.attributes)


def relinked(operator: Operator) -> None:
    """A late message of the sub before the relink."""
    scenario = operator.scenario
    scenario.sign_up(EMAIL, OLD)
    (message,) = scenario.sqs.messages(QUEUE)
    scenario.run_worker()
    in_pool(scenario, NEW)
    scenario.dynamodb.update_item(
        TableName=USERS,
        Key={"userId": {"S": EMAIL}},
        UpdateExpression="SET cognitoSub = :new, linkedBefore = :before",
        ExpressionAttributeValues={":new": {"S": NEW}, ":before": {"L": [{"S": OLD}]}},
    )
    put_letter(operator, message.body, "linked_to_another_sub")


def relinked_back(operator: Operator) -> None:
    """Stripe refuses the user, whose record was relinked to another sub and back."""
    refused(operator)
    before = [{"S": OLD}, {"S": NEW}]
    operator.scenario.dynamodb.update_item(
        TableName=USERS,
        Key={"userId": {"S": EMAIL}},
        UpdateExpression="SET linkedBefore = :before",
        ExpressionAttributeValues={":before": {"L": before}},
    )


def lose_message(operator: Operator) -> str:
    """Its body."""
    (message,) = operator.scenario.sqs.messages(QUEUE)
    operator.scenario.sqs.queues[QUEUE].delete(message)
    return str(message.body)


def deleted_and_back(operator: Operator) -> None:
    """The user was deleted in Cognito and has signed up again; the record is not relinked yet."""
    scenario = operator.scenario
    scenario.sign_up(EMAIL, OLD)
    scenario.run_worker()
    in_pool(scenario, NEW)
    put_letter(operator, message_of(NEW), "linked_to_another_sub")


def unknown(operator: Operator) -> None:
    put_letter(operator, message_of(OLD), "unknown_user")


def malformed(operator: Operator) -> None:
    put_letter(operator, "{}", "malformed_event")


def newer(operator: Operator) -> None:
    operator.scenario.sign_up(EMAIL, OLD)
    put_letter(operator, lose_message(operator), "unsupported_schema_version")


def undelivered(operator: Operator) -> None:
    operator.scenario.fail_delivery(EMAIL, OLD)


def unsettled(operator: Operator) -> None:
    operator.scenario.sign_up(EMAIL, OLD)
    lose_message(operator)
    operator.scenario.dynamodb.update_item(
        TableName=USERS, Key={"userId": {"S": EMAIL}}, UpdateExpression="REMOVE owed, owedSince, dueAt"
    )


def not_started(operator: Operator) -> None:
    operator.scenario.sign_up(EMAIL, OLD)
    operator.scenario.clock.advance(3600)


def key_refused(operator: Operator) -> None:
    operator.scenario.stripe.faults.add(Fault("unauthorized", times=None))
    operator.scenario.sign_up(EMAIL, OLD)
    operator.scenario.run_worker_for(0.1)


def provider_down(operator: Operator) -> None:
    operator.scenario.stripe.faults.add(Fault("server_error", operation="create", times=None))
    operator.scenario.sign_up(EMAIL, OLD)
    operator.scenario.run_worker_for(0.1)


def some_with_letter(operator: Operator) -> None:
    dropped(operator)
    operator.scenario.refuse("ben@example.com", NEW)
    operator.scenario.stripe.faults.clear()


def in_cognito_only(operator: Operator) -> None:
    in_pool(operator.scenario, OLD)


def unverified(operator: Operator) -> None:
    in_pool(operator.scenario, OLD, email_verified="false")


def signed_up(operator: Operator) -> None:
    operator.scenario.sign_up(EMAIL, OLD)


def put_letter(operator: Operator, body: str, reason: str) -> None:
    values = {"step": "receive", "reason": reason, "errorCode": reason, "attempts": "1", "codeVersion": "v1"}
    operator.scenario.sqs.put(DLQ, body, strings(values))


def message_of(sub: str) -> str:
    user = User(EMAIL, cognito_sub=sub, user_pool_id=POOL, linked_at=1_790_000_000_000)
    return json.dumps(delivery(user_signed_up(user, correlation_id="c", origin=Origin.SIGNUP)))


def in_the_call(advice: Callable[[Operator], str]) -> Callable[[Operator], str]:
    """For an advice that is rendered without a command around it."""

    @wraps(advice)
    def rendered(operator: Operator) -> str:
        with call_options(OPTIONS):
            return advice(operator)

    return rendered


def of_the_letter(operator: Operator) -> str:
    return operator.advice_of_the_letter()


def of_the_list(operator: Operator) -> str:
    return "; ".join(operator.json("dlq", "list")["next"])


def of_the_empty_list(operator: Operator) -> str:
    return operator.run("dlq", "list")[1]


def first_of_the_list(operator: Operator) -> str:
    text = operator.run("dlq", "list")[1]
    return text[text.index("onramp --stack") :].splitlines()[0]


def of_explain(operator: Operator) -> str:
    return str(operator.json("user", "explain", OLD)["next"])


def of_explain_without_record(operator: Operator) -> str:
    text = operator.run("user", "explain", OLD)[1]
    return text[text.index("onramp --stack") :]


@in_the_call
def of_the_doctor(operator: Operator) -> str:
    stack = DoctorWiring.of(operator_context(operator.scenario)).stack
    return next(finding.cure for finding in owed(stack) if "`operator`" in finding.what)


@in_the_call
def of_a_rejected_reference(operator: Operator) -> str:
    entry = {"message": "signup rejected", "cause": "nobody_vouches", "sub": OLD}
    return str(reference_data(NEW, LoggedCall(0, entry))["next"])


@in_the_call
def of_a_failed_reference(_: Operator) -> str:
    return str(reference_data(NEW, LoggedCall(0, {"message": "record not written", "code": "x"}))["next"])


@in_the_call
def of_the_key_check(operator: Operator) -> str:
    """The key works: the check reads with it."""
    stack = DoctorWiring.of(operator_context(operator.scenario)).stack
    stack.http = SimpleNamespace(request=lambda *_, **__: SimpleNamespace(status=200))
    (finding,) = secrets.stripe(stack)
    assert (
        "accepts the key in /stripe for reading; 1 of 1 owed users have an error of it: stripe_500 (1)" in finding.what
    )
    return finding.cure


def first_in(text: str) -> str:
    return text[text.index("onramp --stack") :].splitlines()[0].rstrip(".")


def of_roles(operator: Operator) -> str:
    return first_in(operator.run("user", "roles", EMAIL, "--add", "admin")[1])


def of_pre_create(operator: Operator) -> str:
    return first_in(operator.run("user", "pre-create", "--email", EMAIL, "--role", "manager", "--yes")[1])


def of_an_unknown_id(operator: Operator) -> str:
    return first_in(operator.run("dlq", "show", "00000000")[1])


def of_a_redrive_in_vain(operator: Operator) -> str:
    return first_in(operator.run("dlq", "redrive", "--yes", "--no-canary", "--wait", "5")[1])


@in_the_call
def of_the_errors(operator: Operator) -> str:
    stack = DoctorWiring.of(operator_context(operator.scenario)).stack
    return first_in(next(finding.what for finding in owed(stack) if "Last errors" in finding.what))


def rendered(state: str, **values: str) -> Callable[[Operator], str]:
    """Of a command whose state only a race or SQS itself makes."""

    def advice(_: Operator) -> str:
        return next_step(state, **values)

    return in_the_call(advice)


class Case(NamedTuple):
    state: str
    plant: Callable[[Operator], None]
    advice: Callable[[Operator], str]
    then: Callable[[Operator], None]


CASES = [
    Case("letter", refused, of_the_letter, provisioned),
    Case("letter", relinked_back, of_the_letter, provisioned),
    Case("letter_settled", settled, of_the_letter, provisioned),
    Case("letter_forgotten", forgotten, of_the_letter, no_letter),
    Case("letter_of_the_sub_before", relinked, of_the_letter, no_letter),
    Case("letter_malformed", malformed, of_the_letter, no_letter),
    Case("letter_of_another_sub", deleted_and_back, of_the_letter, no_letter),
    Case("letter_of_an_unknown_user", unknown, of_the_letter, no_letter),
    Case("letter_of_a_newer_version", newer, of_the_letter, provisioned),
    Case("letter_undelivered", undelivered, of_the_letter, provisioned),
    Case("group", refused, of_the_list, provisioned),
    Case("group_malformed", malformed, of_the_list, no_letter),
    Case("group_to_look_at", refused, first_of_the_list, nothing_changed),
    Case("owed_without_letter", dropped, of_the_empty_list, provisioned),
    Case("owed_without_letter", dropped, of_the_doctor, provisioned),
    Case("owed_with_letter", refused, of_the_doctor, nothing_changed),
    Case("owed_some_with_letter", some_with_letter, of_the_doctor, provisioned_beside_a_letter),
    Case("users_wait_for_a_provider", provider_down, of_the_key_check, provisioned_later),
    Case("user_failed", refused, of_explain, provisioned),
    Case("user_failed", dropped, of_explain, provisioned),
    Case("user_unsettled", unsettled, of_explain, provisioned),
    Case("user_not_started", not_started, of_explain, nothing_changed),
    Case("user_waits_for_a_key", key_refused, of_explain, provisioned_later),
    Case("reference_of_a_user", unverified, of_a_rejected_reference, nothing_changed),
    Case("reference_of_a_failure", in_cognito_only, of_a_failed_reference, recorded_by_the_sweep),
    Case("record_refused", unverified, rendered("record_refused", sub=OLD), nothing_changed),
    Case("no_record", unverified, of_roles, nothing_changed),
    Case("relinked_meanwhile", signed_up, rendered("relinked_meanwhile"), nothing_changed),
    Case("another_record", signed_up, of_pre_create, nothing_changed),
    Case("no_such_letter", refused, of_an_unknown_id, nothing_changed),
    Case("redriven_with_a_rest", refused_for_good, of_a_redrive_in_vain, nothing_changed),
    Case("move_stopped", refused, rendered("move_stopped"), provisioned),
    Case("moved", refused, rendered("moved"), nothing_changed),
    Case("owed_users", refused, of_the_errors, nothing_changed),
    Case("backfill_forecast", in_cognito_only, rendered("backfill_forecast"), nothing_changed),
    Case("user_nowhere", unknown, of_explain_without_record, no_letter),
]


def test_every_step_has_a_case() -> None:
    assert {case.state for case in CASES} == NEXT_STEPS.keys()


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.state}-{case.advice.__name__}-{case.plant.__name__}")
def test_the_advice_moves_the_user_on(
    case: Case, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with DlqScenario() as scenario:
        operator = Operator(scenario, monkeypatch, capsys, tmp_path / "letters.jsonl")
        case.plant(operator)
        advice = case.advice(operator)
        fixed = NEXT_STEPS[case.state].partition("{")[0].partition("onramp ")[2]
        assert fixed in without_options(advice)
        assert case.advice is not of_the_doctor or without_options(advice) == NEXT_STEPS[case.state]
        operator.before = operator.state()
        operator.follow(advice)
        case.then(operator)


def test_a_malformed_group_is_never_advised_to_be_redriven(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with DlqScenario() as scenario:
        operator = Operator(scenario, monkeypatch, capsys, tmp_path / "letters.jsonl")
        malformed(operator)
        assert without_options(of_the_list(operator)) == "onramp dlq drop --reason malformed_event --reason-why 'WHY'"
        refused(operator)
        assert "onramp dlq redrive --reason stripe_refused_400" in without_options(of_the_list(operator))
        assert "redrive --reason malformed_event" not in without_options(of_the_list(operator))
