"""Each command that is advised is run in the state in which it is advised, and moves the user on.

A case plants the state, finds the advice as a command prints it, runs the commands of the advice as typed, and says
what must be the case afterwards. Every entry of NEXT_STEPS has a case.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from onramp.domain.event_data import Origin, delivery, user_signed_up
from onramp.domain.users import User
from onramp.local.fakes.faults import Fault
from onramp.ops import cli
from onramp.ops.common import queue_reader
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.next_steps import NEXT_STEPS
from onramp.ops.common.output import Output
from onramp.ops.doctor import secrets
from onramp.ops.doctor.checks import CHECKS
from onramp.ops.doctor.owed import owed
from onramp.ops.doctor.wiring import DoctorWiring
from onramp.ops.user.reference import LoggedCall, reference_data
from tests.dlq_scenario import RULE_DLQ, DlqScenario, strings
from tests.operator_context import operator_context
from tests.pipeline import DLQ, POOL, QUEUE, USERS
from tests.unit.user_scenario import NEW, OLD, UserScenario, in_pool

EMAIL = "nia@example.com"
COMMAND = re.compile(r"onramp (?:'[^']*'|[^,;(']|(?<=\S)'(?=\S))+?(?=[,;(]|  |$)")


@pytest.fixture(autouse=True)
def _no_long_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_reader, "LONG_POLL_SECONDS", 0)


def commands_of(advice: str) -> list[str]:
    return [match.strip() for match in COMMAND.findall(advice)]


class WithRules:
    """The bus of the pipeline, and the list of its rules, which the pipeline itself never reads."""

    def __init__(self, events: Any) -> None:
        self._events = events

    def __getattr__(self, name: str) -> Any:
        if name == "get_paginator":
            return lambda operation: SimpleNamespace(paginate=lambda **_: [{"Rules": [{"Name": "signed-up"}]}])
        return getattr(self._events, name)


@dataclass
class Operator:
    """Runs commands as typed, over the pipeline in memory."""

    scenario: DlqScenario
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    file: Path
    email: str = EMAIL
    ran: list[str] = field(default_factory=list)

    def run(self, *words: str) -> tuple[int, str]:
        def context(out: Output, *_: Any) -> OperatorContext:
            events = WithRules(self.scenario.aws["events"])
            return operator_context(self.scenario, {"events": events}, out=out, sleep=self._wait)

        self.monkeypatch.setattr(cli, "OperatorContext", context)
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main(list(words))
        out, err = self.capsys.readouterr()
        assert "Traceback" not in err
        return int(ended.value.code or 0), out or err

    def _wait(self, seconds: float) -> None:
        self.scenario.clock.advance(seconds)
        self.scenario.run_worker()

    def json(self, *words: str) -> Any:
        return json.loads(self.run(*words, "--json")[1])

    def follow(self, advice: str) -> None:
        """Runs every command of the advice. The doctor needs a deployed stack: only its options are checked."""
        commands = commands_of(advice)
        assert commands, advice
        for command in commands:
            words = [{"EMAIL": self.email, "FILE": str(self.file)}.get(word, word) for word in shlex.split(command)[1:]]
            if words[0] == "doctor":
                assert all(word in ("--only", *CHECKS) for word in words[1:])
                continue
            asks = words[:2] in (["dlq", "redrive"], ["dlq", "drop"], ["user", "relink"]) or words[0] == "replay"
            code, printed = self.run(*words, *(["--yes"] if asks else []))
            assert code in (0, 1), f"{command}: {printed}"
            assert "ONRAMP_DEBUG" not in printed, printed
            self.ran.append(command)

    def letter(self) -> str:
        (row,) = self.json("dlq", "list")["groups"]
        return str(row["sample"]["id"])

    def advice_of_the_letter(self) -> str:
        return str(self.json("dlq", "show", self.letter())["next"])

    @property
    def letters(self) -> int:
        return len(self.scenario.sqs.messages(DLQ)) + len(self.scenario.sqs.messages(RULE_DLQ))


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


def no_letter(operator: Operator) -> None:
    assert operator.letters == 0


def still_failed(operator: Operator) -> None:
    assert (operator.scenario.user(EMAIL) or {})["owed"].startswith("operator#")


def refused(operator: Operator) -> None:
    """Stripe refused the user; the cause is fixed now."""
    operator.scenario.refuse(EMAIL, OLD)
    operator.scenario.stripe.faults.clear()


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
    """The user was deleted in Cognito and has signed up again; nobody has relinked the record yet."""
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


def put_letter(operator: Operator, body: str, reason: str) -> None:
    values = {"step": "receive", "reason": reason, "errorCode": reason, "attempts": "1", "codeVersion": "v1"}
    operator.scenario.sqs.put(DLQ, body, strings(values))


def message_of(sub: str) -> str:
    user = User(EMAIL, cognito_sub=sub, user_pool_id=POOL, linked_at=1_790_000_000_000)
    return json.dumps(delivery(user_signed_up(user, correlation_id="c", origin=Origin.SIGNUP)))


def of_the_letter(operator: Operator) -> str:
    return operator.advice_of_the_letter()


def of_the_list(operator: Operator) -> str:
    return "; ".join(operator.json("dlq", "list")["next"])


def of_the_empty_list(operator: Operator) -> str:
    return operator.run("dlq", "list")[1]


def first_of_the_list(operator: Operator) -> str:
    text = operator.run("dlq", "list")[1]
    return text[text.index("onramp dlq show") :].splitlines()[0]


def of_explain(operator: Operator) -> str:
    return str(operator.json("user", "explain", OLD)["next"])


def of_explain_without_record(operator: Operator) -> str:
    text = operator.run("user", "explain", OLD)[1]
    return text[text.index("onramp dlq drop") :]


def of_the_doctor(operator: Operator) -> str:
    stack = DoctorWiring.of(operator_context(operator.scenario)).stack
    return next(finding.cure for finding in owed(stack) if "`operator`" in finding.what)


def of_a_rejected_reference(operator: Operator) -> str:
    entry = {"message": "signup rejected", "cause": "nobody_vouches", "sub": OLD}
    return str(reference_data(NEW, LoggedCall(0, entry))["next"])


def of_a_failed_reference(_: Operator) -> str:
    return str(reference_data(NEW, LoggedCall(0, {"message": "record not written", "code": "x"}))["next"])


def of_the_key_check(operator: Operator) -> str:
    """The key works: the check reads with it."""
    stack = DoctorWiring.of(operator_context(operator.scenario)).stack
    stack.http = SimpleNamespace(request=lambda *_, **__: SimpleNamespace(status=200))
    (finding,) = secrets.stripe(stack)
    assert (
        "accepts the key in /stripe for reading; 1 of 1 owed users have an error of it: stripe_500 (1)" in finding.what
    )
    return finding.cure


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
    Case("group_to_look_at", refused, first_of_the_list, still_failed),
    Case("owed_without_letter", dropped, of_the_empty_list, provisioned),
    Case("owed_without_letter", dropped, of_the_doctor, provisioned),
    Case("owed_with_letter", refused, of_the_doctor, still_failed),
    Case("owed_some_with_letter", some_with_letter, of_the_doctor, provisioned_beside_a_letter),
    Case("users_wait_for_a_provider", provider_down, of_the_key_check, provisioned_later),
    Case("user_failed", refused, of_explain, provisioned),
    Case("user_failed", dropped, of_explain, provisioned),
    Case("user_unsettled", unsettled, of_explain, provisioned),
    Case("user_not_started", not_started, of_explain, no_letter),
    Case("user_waits_for_a_key", key_refused, of_explain, no_letter),
    Case("reference_of_a_user", lambda operator: None, of_a_rejected_reference, no_letter),
    Case("reference_of_a_failure", lambda operator: None, of_a_failed_reference, no_letter),
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
        assert fixed in advice
        assert case.advice is not of_the_doctor or advice == NEXT_STEPS[case.state]
        operator.follow(advice)
        case.then(operator)


def test_a_malformed_group_is_never_advised_to_be_redriven(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with DlqScenario() as scenario:
        operator = Operator(scenario, monkeypatch, capsys, tmp_path / "letters.jsonl")
        malformed(operator)
        assert of_the_list(operator) == "onramp dlq drop --reason malformed_event --reason-why 'WHY'"
        refused(operator)
        assert "onramp dlq redrive --reason stripe_refused_400" in of_the_list(operator)
        assert "redrive --reason malformed_event" not in of_the_list(operator)
