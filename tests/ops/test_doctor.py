"""The doctor finds each planted fault, and the command that it prints cures the fault."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from scripts.stories import STORIES, UPDATE, page

from onramp.domain.event_data import delivery, signup_not_recorded
from onramp.local.fakes import stripe
from onramp.local.parameters import REGION, STACK_NAME
from onramp.local.stack import LocalStack
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.output import Output
from onramp.ops.common.shell import CallOptions, call_options
from onramp.ops.doctor.checks import CHECKS, CheckResult, run_checks
from onramp.ops.doctor.findings import Level
from onramp.ops.doctor.wiring import DoctorWiring
from tests.deployed import DeployedPipeline, eventually, unique_email
from tests.ops.aws_cli import run_aws
from tests.ops.conftest import Onramp
from tests.ops.faults.planting import Fault
from tests.ops.faults.secrets import KEYS, REVENUECAT, STRIPE
from tests.ops.faulty_stack import FAULTS, FaultyStack, healthy_stack
from tests.ops.stack_snapshot import Snapshot, snapshot

SECRETS = (STRIPE, REVENUECAT)
CALL = CallOptions(STACK_NAME, "team a", REGION)
Finding = dict[str, Any]
SERVICES = ("cloudformation", "cloudwatch", "cognito-idp", "dynamodb", "events", "kms", "lambda", "sns", "sqs", "ssm")


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with healthy_stack() as own:
        yield own


@pytest.fixture(scope="module")
def context(stack: LocalStack) -> OperatorContext:
    """An operator whose clients are those of the stack."""
    clients = {name: stack.client(name) for name in SERVICES}
    return OperatorContext(Output(as_json=True), STACK_NAME, clients=clients)


@pytest.fixture(scope="module", autouse=True)
def deployed(stack: LocalStack) -> Snapshot:
    """What the deployment made, before the first fault."""
    return snapshot(stack, SECRETS)


@pytest.fixture
def faulty(stack: LocalStack) -> FaultyStack:
    return FaultyStack(stack)


def findings(onramp: Onramp, *groups: str) -> list[Finding]:
    """What the command prints, without the findings of level `ok`."""
    only = [word for group in groups for word in ("--only", group)]
    ran = onramp("doctor", *only, "--json")
    found = ran.json["findings"]
    assert ran.code == (1 if any(finding["level"] == "trouble" for finding in found) else 0), ran.err
    return [finding for finding in found if finding["level"] != "ok"]


def results_of(context: OperatorContext, group: str) -> list[CheckResult]:
    """The same, without the command around it, as a call with CALL's options finds it."""
    stack = DoctorWiring.of(context).stack
    with call_options(CALL):
        return [result for result in run_checks(stack, group) if result.finding.level is not Level.OK]


def without_options(cure: str) -> str:
    """The cure as a call without options prints it. Each command of it repeats the options."""
    lines = cure.partition("  (")[0].split(" && ")
    programs = {
        "aws": shlex.join(["aws", *CALL.of_aws]),
        "onramp": shlex.join(["onramp", *CALL.of_onramp]),
        "make": " ".join([*CALL.of_make, "make"]),
    }
    short = []
    for line in lines:
        program = next((name for name, printed in programs.items() if line.startswith(f"{printed} ")), None)
        assert program, f"without the options of the call: {line}"
        short.append(program + line.removeprefix(programs[program]))
    return " && ".join(short)


def test_the_story_is_up_to_date(stack: LocalStack) -> None:
    """The first test: the reconciler has not run yet."""
    recorder = STORIES["twelve-faults"].record(stack)
    assert recorder.markdown() == page("twelve-faults"), UPDATE


def test_a_stack_without_faults_has_no_findings(onramp: Onramp) -> None:
    assert findings(onramp) == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.plant.__name__)
def test_a_planted_fault_is_found_and_its_cure_cures_it(
    onramp: Onramp, context: OperatorContext, faulty: FaultyStack, deployed: Snapshot, fault: Fault
) -> None:
    """Every field of every resource is then as the template has it."""
    with contextlib.ExitStack() as stack:
        stack.callback(fault.plant(faulty))
        results = results_of(context, fault.group)
        group, finding = results[0].group, results[0].finding
        assert (group, finding.level) == (fault.group, fault.level)
        assert fault.what in finding.what
        assert all(part in without_options(finding.cure) for part in fault.cure_parts)
        assert finding.why
        assert len(results) == 1 or fault.cures > 1, results
        for _ in range(fault.cures if fault.runs else 0):
            run_cure(onramp, faulty, results[0])
            results = results_of(context, fault.group)
        if fault.runs and results:  # a metric arrives after the call that caused it
            eventually(lambda: not results_of(context, fault.group), what=f"no finding after {results}")
    assert fault.runs or results_of(context, fault.group) == []
    assert snapshot(faulty.stack, SECRETS) == deployed


def run_cure(onramp: Onramp, faulty: FaultyStack, result: CheckResult) -> None:
    cure = without_options(result.finding.cure)
    if cure.startswith("onramp "):
        assert onramp(*shlex.split(cure)[1:], "--yes").code == 0
    else:
        run_aws(filled_in(cure, result.group), faulty.client)


def filled_in(cure: str, group: str) -> str:
    """An address confirms the subscription by hand, a queue at once."""
    queue = f"arn:aws:sqs:{REGION}:000000000000:pager"
    cure = cure.replace("--protocol email --notification-endpoint ADDRESS", f"--protocol sqs --endpoint {queue}")
    return cure.replace("--value KEY", f"--value {KEYS.get(group)}")


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if not fault.runs], ids=lambda fault: fault.plant.__name__)
def test_a_cure_that_is_not_run_here_is_a_command_of_this_stack(
    onramp: Onramp, context: OperatorContext, faulty: FaultyStack, fault: Fault
) -> None:
    """A deployment names parameters of the template; a command that only looks has an answer."""
    with contextlib.ExitStack() as stack:
        stack.callback(fault.plant(faulty))
        for result in results_of(context, fault.group):
            program, *words = shlex.split(without_options(result.finding.cure))
            if program == "make":
                changed = [word.partition("=")[2] for word in words if word.startswith("PARAMETERS=")]
                names = {pair.partition("=")[0] for pairs in changed for pair in pairs.split()}
                assert words[0] == "deploy"
                assert names <= context.parameters.keys()
            else:
                assert program == "onramp"
                assert onramp(*words).code in (0, 1)


def test_several_faults_at_once_are_all_found(onramp: Onramp, faulty: FaultyStack) -> None:
    excluded = {
        FaultyStack.pool_with_another_trigger,
        FaultyStack.revoked_key,
        FaultyStack.unencrypted_key,
        FaultyStack.rule_without_target,
        FaultyStack.overdue_emit,  # the same record as owed_operator
    }
    planted = [fault for fault in FAULTS if fault.plant not in excluded and not fault.runs]
    with contextlib.ExitStack() as stack:
        for fault in planted:
            stack.callback(fault.plant(faulty))
        found = findings(onramp)
        assert [finding["level"] for finding in found] == sorted(finding["level"] for finding in found), "worst first"
        for fault in planted:
            assert any(fault.what in finding["what"] for finding in found), fault.what
    assert findings(onramp) == []


def test_the_text_has_level_cure_and_counts(onramp: Onramp, faulty: FaultyStack) -> None:
    with contextlib.ExitStack() as stack:
        stack.callback(faulty.dead_letter())
        ran = onramp("doctor", "--only", "owed")
    assert ran.code == 1
    assert "trouble" in ran.out
    assert "cure  onramp dlq list" in ran.out
    assert "1 trouble, 0 warnings" in ran.out


def test_a_dead_letter_and_what_it_causes_are_one_line(onramp: Onramp, faulty: FaultyStack) -> None:
    with contextlib.ExitStack() as stack:
        sqs, url = faulty.client("sqs"), faulty.outputs["ProvisioningDlqUrl"]
        stack.callback(sqs.purge_queue, QueueUrl=url)
        sqs.send_message(QueueUrl=url, MessageBody="given up")
        stack.callback(faulty.owed_operator())
        (finding,) = findings(onramp, "owed")
    assert "1 dead letter in ProvisioningDlq." in finding["what"]
    assert "`operator` is owed to 1 user" in finding["what"]


def test_a_key_is_never_printed(onramp: Onramp, faulty: FaultyStack) -> None:
    faulty.revoked_key()
    ran = onramp("doctor", "--only", "stripe")
    faulty.put_secret(STRIPE, stripe.LOCAL_KEY)
    assert ran.code == 1
    assert "sk_test_revoked" not in ran.out + ran.err


def test_a_provider_that_is_down_is_a_warning(onramp: Onramp, faulty: FaultyStack) -> None:
    deployed = DeployedPipeline(faulty.stack)
    try:
        deployed.stripe.fault("server_error", operation="list", times=None)
        (found,) = findings(onramp, "stripe")
    finally:
        deployed.stripe.clear()
    assert (found["level"], "answers 500" in found["what"]) == ("warning", True)


def test_the_last_run_of_the_reconciler_is_found(onramp: Onramp, faulty: FaultyStack) -> None:
    function = faulty.outputs["ReconcileFunctionName"]
    faulty.client("lambda").invoke(FunctionName=function, Qualifier="live", Payload=b"{}")

    def found() -> bool:
        return "completed a run" in onramp("doctor", "--only", "reconciler").out

    eventually(found, what="ReconcileCompleted")


def test_an_unknown_check_is_one_sentence(onramp: Onramp, faulty: FaultyStack) -> None:
    ran = onramp("doctor", "--only", "weather")
    assert ran.code == 2
    assert "choose from pool" in ran.err


class TestDeniedPermissions:
    @pytest.fixture
    def visitor(self, faulty: FaultyStack, monkeypatch: pytest.MonkeyPatch, onramp: Onramp) -> Iterator[Onramp]:
        """A user who may describe the stack, and none of its resources."""
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

    def test_each_check_names_the_permission_that_it_lacks(self, visitor: Onramp) -> None:
        found = findings(visitor)
        assert {finding["level"] for finding in found} == {"warning"}
        assert {finding["check"] for finding in found} == set(CHECKS)
        assert len(found) == sum(map(len, CHECKS.values()))
        text = " ".join(finding["what"] for finding in found)
        for action in ("lambda:GetPolicy", "events:DescribeEventBus", "ssm:GetParameter", "sqs:GetQueueAttributes"):
            assert action in text

    def test_a_service_that_fails_hides_no_other_findings(self, onramp: Onramp, faulty: FaultyStack) -> None:
        faulty.stack.control.fault("events", "*", "refused", times=None, code="UnknownOperationException", status=400)
        try:
            found = findings(onramp)
        finally:
            faulty.stack.control.clear()
        assert {finding["check"] for finding in found} == {"bus", "reconciler"}
        assert all("could not be checked" in finding["what"] for finding in found)


def test_a_signup_is_provisioned_after_all_cures(faulty: FaultyStack) -> None:
    deployed = DeployedPipeline(faulty.stack)
    deployed.join(email := unique_email("cured"))
    deployed.ready(email)


def test_the_printed_command_heals_a_signup_that_the_healer_gave_up(
    onramp: Onramp, context: OperatorContext, faulty: FaultyStack
) -> None:
    """The last test: it leaves the schedule disabled, and HealedAlarm in alarm."""
    deployed, sqs, url = DeployedPipeline(faulty.stack), faulty.client("sqs"), faulty.outputs["SignupHealDlqUrl"]
    faulty.disabled_schedule()  # the sweep would heal the user, too
    deployed.join(email := unique_email("unhealed"))
    deployed.ready(email)
    record = deployed.user(email) or {}
    faulty.client("dynamodb").delete_item(TableName=faulty.outputs["UsersTableName"], Key={"userId": {"S": email}})
    event = signup_not_recorded(record["cognitoSub"], record["userPoolId"], at=context.now(), correlation_id="one")
    sqs.send_message(QueueUrl=url, MessageBody=json.dumps(delivery(event)))
    (finding,) = findings(onramp, "owed")
    assert "1 dead letter in SignupHealDlq" in finding["what"]
    assert onramp("status", "--json").json["queues"]["SignupHealDlq"]["waiting"] == 1
    (result,) = results_of(context, "owed")
    run_aws(without_options(result.finding.cure), faulty.client)
    healed = eventually(lambda: deployed.user(email), what="the record")
    assert healed["cognitoSub"] == record["cognitoSub"]
    deployed.ready(email)
    eventually(lambda: not results_of(context, "owed"), what="an empty SignupHealDlq")
