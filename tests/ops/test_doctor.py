"""The doctor finds each planted fault, and the cure it names, run as it stands, cures it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from scripts.stories import STORIES, UPDATE, page

from onramp.local.fakes import stripe
from onramp.local.parameters import STACK_NAME
from onramp.local.stack import LocalStack
from onramp.ops.common.deployment import Deployment
from onramp.ops.doctor.checks import CHECKS, Examined, examine
from onramp.ops.doctor.findings import Level
from onramp.wiring.clients import now_millis
from tests.deployed import DeployedPipeline, eventually, unique_email
from tests.ops.aws_cli import run_aws
from tests.ops.conftest import Onramp
from tests.ops.faulty_stack import FAULTS, KEYS, STRIPE, Fault, FaultyStack, healthy_stack

Finding = dict[str, Any]


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with healthy_stack() as own:
        yield own


@pytest.fixture
def faulty(stack: LocalStack) -> FaultyStack:
    return FaultyStack(stack)


def findings(onramp: Onramp, *groups: str) -> list[Finding]:
    """What is not well, as the command prints it."""
    only = [word for group in groups for word in ("--only", group)]
    ran = onramp("doctor", *only, "--json")
    found = ran.json["findings"]
    assert ran.code == (1 if any(finding["level"] == "trouble" for finding in found) else 0), ran.err
    return [finding for finding in found if finding["level"] != "ok"]


def found_by(faulty: FaultyStack, group: str) -> list[Examined]:
    """The same, without the command around it."""
    stack = faulty.stack
    (described,) = stack.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"]
    parameters = {entry["ParameterKey"]: entry["ParameterValue"] for entry in described["Parameters"]}
    deployed = Deployment(STACK_NAME, stack.client, stack.outputs, parameters, now_millis, urllib3.PoolManager())
    return [examined for examined in examine(deployed, (group,)) if examined.finding.level is not Level.OK]


def test_the_page_says_what_the_commands_say(stack: LocalStack) -> None:
    """The first test: the reconciler has not run yet."""
    recorder = STORIES["twelve-faults"].record(stack)
    assert recorder.markdown() == page("twelve-faults"), UPDATE


def test_nothing_is_wrong_with_a_healthy_stack(onramp: Onramp) -> None:
    assert findings(onramp) == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.plant.__name__)
def test_a_planted_fault_is_found_and_its_cure_cures_it(onramp: Onramp, faulty: FaultyStack, fault: Fault) -> None:
    with contextlib.ExitStack() as stack:
        stack.callback(fault.plant(faulty))
        (examined,) = found_by(faulty, fault.group)
        found = examined.finding
        assert (examined.group, found.level) == (fault.group, fault.level)
        assert fault.what in found.what
        assert fault.cure in found.cure
        assert found.why
        if fault.runs and found.cure.startswith("onramp "):
            assert onramp(*found.cure.split()[1:], "--yes").code == 0
        elif fault.runs:
            run_aws(found.cure.replace("KEY", KEYS.get(fault.group, "")), faulty.client)
    assert found_by(faulty, fault.group) == []


def test_all_at_once_are_all_found(onramp: Onramp, faulty: FaultyStack) -> None:
    apart = {
        FaultyStack.calls_somebody_else,
        FaultyStack.has_a_revoked_key,
        FaultyStack.shows_its_key,
        FaultyStack.delivers_nowhere,
    }
    planted = [fault for fault in FAULTS if fault.plant not in apart and not fault.runs]
    with contextlib.ExitStack() as stack:
        for fault in planted:
            if fault.plant is not FaultyStack.waits_for_news:  # the same record
                stack.callback(fault.plant(faulty))
        found = findings(onramp)
        assert [finding["level"] for finding in found] == sorted(finding["level"] for finding in found), "worst first"
        for fault in planted:
            if fault.plant is not FaultyStack.waits_for_news:
                assert any(fault.what in finding["what"] for finding in found), fault.what
    assert findings(onramp) == []


def test_a_person_reads_what_why_and_cure(onramp: Onramp, faulty: FaultyStack) -> None:
    with contextlib.ExitStack() as stack:
        stack.callback(faulty.has_a_dead_letter())
        ran = onramp("doctor", "--only", "owed")
    assert ran.code == 1
    assert "trouble" in ran.out
    assert "cure  onramp dlq list" in ran.out
    assert "1 trouble, 0 warnings" in ran.out


def test_a_key_is_never_shown(onramp: Onramp, faulty: FaultyStack) -> None:
    faulty.has_a_revoked_key()
    ran = onramp("doctor", "--only", "stripe")
    faulty._secret(STRIPE, stripe.LOCAL_KEY)
    assert ran.code == 1
    assert "sk_test_revoked" not in ran.out + ran.err


def test_a_provider_that_is_down_is_a_warning_and_no_trouble(onramp: Onramp, faulty: FaultyStack) -> None:
    deployed = DeployedPipeline(faulty.stack)
    try:
        deployed.stripe.fault("server_error", operation="list", times=None)
        (found,) = findings(onramp, "stripe")
    finally:
        deployed.stripe.clear()
    assert (found["level"], "answers 500" in found["what"]) == ("warning", True)


def test_the_reconcilers_last_run_is_seen(onramp: Onramp, faulty: FaultyStack) -> None:
    function = faulty.outputs["ReconcileFunctionName"]
    faulty.client("lambda").invoke(FunctionName=function, Qualifier="live", Payload=b"{}")

    def seen() -> bool:
        return "completed a run" in onramp("doctor", "--only", "reconciler").out

    eventually(seen, what="ReconcileCompleted")


def test_an_unknown_check_is_one_sentence(onramp: Onramp, faulty: FaultyStack) -> None:
    ran = onramp("doctor", "--only", "weather")
    assert ran.code == 2
    assert "choose from pool" in ran.err


class TestWhatMayNotBeLookedAt:
    @pytest.fixture
    def visitor(self, faulty: FaultyStack, monkeypatch: pytest.MonkeyPatch, onramp: Onramp) -> Iterator[Onramp]:
        """A user who may read the stack, and nothing in it."""
        iam = faulty.client("iam")
        iam.create_user(UserName="visitor")
        statement = {"Effect": "Allow", "Action": "cloudformation:*", "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName="visitor", PolicyName="look", PolicyDocument=policy)
        key = iam.create_access_key(UserName="visitor")["AccessKey"]
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        yield onramp
        iam.delete_access_key(UserName="visitor", AccessKeyId=key["AccessKeyId"])
        iam.delete_user_policy(UserName="visitor", PolicyName="look")
        iam.delete_user(UserName="visitor")

    def test_each_check_says_which_permission_it_lacks(self, visitor: Onramp) -> None:
        found = findings(visitor)
        assert {finding["level"] for finding in found} == {"warning"}
        assert {finding["check"] for finding in found} == set(CHECKS)
        assert len(found) == sum(map(len, CHECKS.values()))
        said = " ".join(finding["what"] for finding in found)
        for action in ("lambda:GetPolicy", "events:DescribeEventBus", "ssm:GetParameter", "sqs:GetQueueAttributes"):
            assert action in said

    def test_a_service_that_answers_nonsense_hides_nothing_else(self, onramp: Onramp, faulty: FaultyStack) -> None:
        faulty.stack.control.fault("events", "*", "refused", times=None, code="UnknownOperationException", status=400)
        try:
            found = findings(onramp)
        finally:
            faulty.stack.control.clear()
        assert {finding["check"] for finding in found} == {"bus", "reconciler"}
        assert all("could not be checked" in finding["what"] for finding in found)


def test_a_signup_arrives_after_all_this(faulty: FaultyStack) -> None:
    """The cures have left it whole."""
    deployed = DeployedPipeline(faulty.stack)
    deployed.join(email := unique_email("cured"))
    deployed.ready(email)
