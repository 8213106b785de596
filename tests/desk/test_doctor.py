"""The doctor finds each planted fault, and the cure it names, run as it stands, cures it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import urllib3

from onramp.local.fakes import revenuecat, stripe
from onramp.local.parameters import REGION, STACK_NAME
from onramp.local.stack import LocalStack
from onramp.ops.deployment import Deployed
from onramp.ops.desk import Desk
from onramp.ops.doctor.checks import CHECKS, Examined, examine
from onramp.ops.doctor.findings import Level
from onramp.ops.pools.rewiring import UserPool
from tests.conftest import QUICK
from tests.desk.aws_cli import run_aws
from tests.desk.conftest import Onramp
from tests.people import Town, eventually, somebody

STRIPE, REVENUECAT = "/doctor/stripe", "/doctor/revenuecat"
Undo = Callable[[], object]
Finding = dict[str, Any]


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    """A stack of this module's own, in good health: whatever the doctor finds was planted."""
    topic = f"arn:aws:sns:{REGION}:000000000000:pager"
    parameters = {"AlarmTopicArn": topic, "VisibilityTimeoutSeconds": "360"}
    secrets = {"StripeSecretName": STRIPE, "RevenueCatSecretName": REVENUECAT}
    with LocalStack.start(enforce_iam=True, parameters=QUICK | parameters | secrets) as own:
        own.client("sns").create_topic(Name="pager")
        queue = f"arn:aws:sqs:{REGION}:000000000000:pager"
        own.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
        for name, key in ((STRIPE, stripe.LOCAL_KEY), (REVENUECAT, revenuecat.LOCAL_KEY)):
            own.client("ssm").put_parameter(Name=name, Value=key, Type="SecureString", Overwrite=True)
        yield own


@pytest.fixture
def patient(stack: LocalStack) -> Patient:
    return Patient(stack)


class Patient:
    """The stack, and what can be wrong with it. Each fault answers how to undo it."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack, self.client, self.outputs = stack, stack.client, stack.outputs
        self.pool = self.outputs["UserPoolId"]
        self.trigger = self.outputs["PostConfirmationFunctionName"]
        self.worker = self.outputs["EnrichProfileFunctionName"]

    # -- pool ------------------------------------------------------------------------------------------

    def _names(self, **triggers: str) -> Undo:
        pool = UserPool(self.client("cognito-idp"), self.pool)
        pool.update(pool.described(), triggers)
        return lambda: None

    def drops_its_trigger(self) -> Undo:
        return self._names()

    def calls_somebody_else(self) -> Undo:
        return self._names(PostConfirmation="arn:aws:lambda:eu-west-1:000000000000:function:somebody-else")

    def forbids_the_invocation(self) -> Undo:
        lambdas = self.client("lambda")
        policy = json.loads(lambdas.get_policy(FunctionName=self.trigger, Qualifier="live")["Policy"])
        for statement in policy["Statement"]:
            lambdas.remove_permission(FunctionName=self.trigger, Qualifier="live", StatementId=statement["Sid"])
        return lambda: None

    def signs_in_through_a_stranger(self) -> Undo:
        provider = {"UserPoolId": self.pool, "ProviderName": "Fabrikam"}
        self.client("cognito-idp").create_identity_provider(
            ProviderType="SAML", ProviderDetails={"MetadataURL": "https://idp.example/metadata"}, **provider
        )
        return lambda: self.client("cognito-idp").delete_identity_provider(**provider)

    # -- functions -------------------------------------------------------------------------------------

    def runs_other_settings(self) -> Undo:
        lambdas = self.client("lambda")
        before = lambdas.get_function_configuration(FunctionName=self.trigger)["Environment"]
        changed = {"Variables": {**before["Variables"], "ALLOW_UNVERIFIED_SIGNUPS": "true"}}
        lambdas.update_function_configuration(FunctionName=self.trigger, Environment=changed)
        return lambda: lambdas.update_function_configuration(FunctionName=self.trigger, Environment=before)

    def is_switched_off(self) -> Undo:
        self.client("lambda").put_function_concurrency(FunctionName=self.worker, ReservedConcurrentExecutions=0)
        return lambda: None

    def is_not_fed(self) -> Undo:
        mappings = self.client("lambda").list_event_source_mappings(FunctionName=self.worker)["EventSourceMappings"]
        self.client("lambda").update_event_source_mapping(UUID=mappings[0]["UUID"], Enabled=False)
        return lambda: None

    def hides_messages_too_shortly(self) -> Undo:
        return self._queue("ProvisioningQueueUrl", VisibilityTimeout="30")

    # -- bus and queues --------------------------------------------------------------------------------

    def _rule(self) -> dict[str, str]:
        bus = self.outputs["EventBusName"]
        (rule,) = self.client("events").list_rules(EventBusName=bus)["Rules"]
        return {"EventBusName": bus, "Name": rule["Name"]}

    def disables_the_rule(self) -> Undo:
        self.client("events").disable_rule(**self._rule())
        return lambda: None

    def matches_something_else(self) -> Undo:
        self.client("events").put_rule(**self._rule(), EventPattern='{"source": ["somebody.else"]}')
        return lambda: None

    def delivers_nowhere(self) -> Undo:
        rule = self._rule()
        where = {"EventBusName": rule["EventBusName"], "Rule": rule["Name"]}
        self.client("events").remove_targets(Ids=["ProvisioningQueue"], **where)
        return lambda: None

    def loses_what_it_cannot_deliver(self) -> Undo:
        rule = self._rule()
        where = {"EventBusName": rule["EventBusName"], "Rule": rule["Name"]}
        (target,) = self.client("events").list_targets_by_rule(**where)["Targets"]
        del target["DeadLetterConfig"]
        self.client("events").put_targets(Targets=[target], **where)
        return lambda: None

    def _queue(self, output: str, **attributes: str) -> Undo:
        sqs, url = self.client("sqs"), self.outputs[output]
        before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(attributes)).get("Attributes", {})
        sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
        return lambda: sqs.set_queue_attributes(QueueUrl=url, Attributes=before)

    def shuts_eventbridge_out(self) -> Undo:
        return self._queue("ProvisioningQueueUrl", Policy='{"Version": "2012-10-17", "Statement": []}')

    def encrypts_with_the_key_of_aws(self) -> Undo:
        self._queue("EventDeliveryDlqUrl", KmsMasterKeyId="alias/aws/sqs")
        return lambda: None

    def forgets_letters_early(self) -> Undo:
        return self._queue("ProvisioningDlqUrl", MessageRetentionPeriod="86400")

    def has_a_dead_letter(self) -> Undo:
        sqs, url = self.client("sqs"), self.outputs["EventDeliveryDlqUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="undelivered")
        return lambda: sqs.purge_queue(QueueUrl=url)

    # -- secrets ---------------------------------------------------------------------------------------

    def _secret(self, name: str, value: str, kind: str = "SecureString") -> None:
        self.client("ssm").delete_parameter(Name=name)
        self.client("ssm").put_parameter(Name=name, Value=value, Type=kind)

    def loses_the_key(self) -> Undo:
        self.client("ssm").delete_parameter(Name=STRIPE)
        return lambda: None

    def has_a_revoked_key(self) -> Undo:
        self._secret(STRIPE, "sk_test_revoked")
        return lambda: None

    def has_a_key_of_the_old_api(self) -> Undo:
        self._secret(REVENUECAT, revenuecat.LOCAL_V1_KEY)
        return lambda: None

    def shows_its_key(self) -> Undo:
        self._secret(STRIPE, stripe.LOCAL_KEY, "String")
        return lambda: None

    # -- reconciler, alarms, debts ---------------------------------------------------------------------

    def _schedule(self) -> str:
        rules = self.client("events").list_rules()["Rules"]
        return next(str(rule["Name"]) for rule in rules if rule["Name"].startswith(f"{STACK_NAME}-Reconcile"))

    def stops_the_schedule(self) -> Undo:
        self.client("events").disable_rule(Name=self._schedule())
        return lambda: None

    def schedules_nothing(self) -> Undo:
        targets = self.client("events").list_targets_by_rule(Rule=self._schedule())["Targets"]
        self.client("events").remove_targets(Rule=self._schedule(), Ids=[target["Id"] for target in targets])
        return lambda: None

    def _alarms(self) -> list[str]:
        alarms = self.client("cloudwatch").describe_alarms(AlarmNamePrefix=STACK_NAME)["MetricAlarms"]
        return [alarm["AlarmName"] for alarm in alarms]

    def silences_its_alarms(self) -> Undo:
        self.client("cloudwatch").disable_alarm_actions(AlarmNames=self._alarms())
        return lambda: self.client("cloudwatch").enable_alarm_actions(AlarmNames=self._alarms())

    def rings(self) -> Undo:
        name = next(name for name in self._alarms() if "ProviderKeyRejected" in name)
        self.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="planted")
        return lambda: self.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="OK", StateReason="over")

    def _owes(self, owed: str) -> Undo:
        table, key = self.outputs["UsersTableName"], {"userId": {"S": "waiting@example.com"}}
        stored = {"owed": {"S": owed}, "owedSince": {"N": "1790000000000"}, "dueAt": {"N": "1790000000000"}}
        self.client("dynamodb").put_item(TableName=table, Item={**key, **stored})
        return lambda: self.client("dynamodb").delete_item(TableName=table, Key=key)

    def waits_for_the_operator(self) -> Undo:
        return self._owes("operator#1")

    def waits_for_news(self) -> Undo:
        return self._owes("emit#1")


class Fault(NamedTuple):
    """`runs` False: its cure is a deployment, or a person's own work."""

    plant: Callable[[Patient], Undo]
    group: str
    level: str
    what: str
    cure: str
    runs: bool = True


FAULTS = [
    Fault(Patient.drops_its_trigger, "pool", "trouble", "calls no trigger", "onramp attach --user-pool"),
    Fault(Patient.calls_somebody_else, "pool", "trouble", "calls another function", "--replace"),
    Fault(Patient.forbids_the_invocation, "pool", "trouble", "may not invoke", "aws lambda add-permission"),
    Fault(Patient.signs_in_through_a_stranger, "pool", "trouble", "Fabrikam", "TrustedIdentityProviders=", runs=False),
    Fault(Patient.runs_other_settings, "functions", "trouble", "ALLOW_UNVERIFIED", f"STACK={STACK_NAME}", runs=False),
    Fault(Patient.is_switched_off, "functions", "trouble", "switched off", "delete-function-concurrency"),
    Fault(Patient.is_not_fed, "functions", "trouble", "disabled", "update-event-source-mapping"),
    Fault(Patient.hides_messages_too_shortly, "functions", "warning", "30 s", "TimeoutSeconds=360", runs=False),
    Fault(Patient.disables_the_rule, "bus", "trouble", "is disabled", "aws events enable-rule"),
    Fault(Patient.matches_something_else, "bus", "trouble", "does not match", "aws events put-rule"),
    Fault(Patient.delivers_nowhere, "bus", "trouble", "does not deliver", "aws events put-targets"),
    Fault(Patient.loses_what_it_cannot_deliver, "bus", "trouble", "no dead-letter", "aws events put-targets"),
    Fault(Patient.shuts_eventbridge_out, "queues", "trouble", "may not send", "aws sqs set-queue-attributes"),
    Fault(Patient.encrypts_with_the_key_of_aws, "queues", "trouble", "alias/aws/sqs", "SqsManagedSseEnabled"),
    Fault(Patient.forgets_letters_early, "queues", "trouble", "kept for 1 d", "MessageRetentionPeriod"),
    Fault(Patient.has_a_dead_letter, "owed", "trouble", "1 in EventDeliveryDlq", "onramp dlq list", runs=False),
    Fault(Patient.loses_the_key, "stripe", "trouble", "is not there", "aws ssm put-parameter"),
    Fault(Patient.has_a_revoked_key, "stripe", "trouble", "refuses the key", "aws ssm put-parameter"),
    Fault(Patient.shows_its_key, "stripe", "trouble", "no SecureString", "aws ssm put-parameter"),
    Fault(Patient.has_a_key_of_the_old_api, "revenuecat", "trouble", "refuses the key", "aws ssm put-parameter"),
    Fault(Patient.stops_the_schedule, "reconciler", "trouble", "schedule is disabled", "aws events enable-rule"),
    Fault(Patient.schedules_nothing, "reconciler", "trouble", "does not call it", "aws events put-targets"),
    Fault(Patient.silences_its_alarms, "alarms", "warning", "tell nobody", "AlarmTopicArn=", runs=False),
    Fault(Patient.rings, "alarms", "trouble", "ProviderKeyRejectedAlarm", "onramp doctor --only", runs=False),
    Fault(Patient.waits_for_the_operator, "owed", "trouble", "`operator` is owed", "onramp dlq list", runs=False),
    Fault(Patient.waits_for_news, "owed", "trouble", "`emit` is owed", "onramp doctor --only bus", runs=False),
]
KEYS = {"stripe": stripe.LOCAL_KEY, "revenuecat": revenuecat.LOCAL_KEY}


def findings(onramp: Onramp, *groups: str) -> list[Finding]:
    """What is not well, as the command prints it."""
    only = [word for group in groups for word in ("--only", group)]
    ran = onramp("doctor", *only, "--json")
    found = ran.json["findings"]
    assert ran.code == (1 if any(finding["level"] == "trouble" for finding in found) else 0), ran.err
    return [finding for finding in found if finding["level"] != "ok"]


def found_by(patient: Patient, group: str) -> list[Examined]:
    """The same, without the command around it."""
    stack = patient.stack
    (described,) = stack.client("cloudformation").describe_stacks(StackName=STACK_NAME)["Stacks"]
    parameters = {entry["ParameterKey"]: entry["ParameterValue"] for entry in described["Parameters"]}
    deployed = Deployed(STACK_NAME, stack.client, stack.outputs, parameters, Desk.now, urllib3.PoolManager())
    return [examined for examined in examine(deployed, (group,)) if examined.finding.level is not Level.OK]


def test_nothing_is_wrong_with_a_healthy_stack(onramp: Onramp) -> None:
    assert findings(onramp) == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.plant.__name__)
def test_a_planted_fault_is_found_and_its_cure_cures_it(onramp: Onramp, patient: Patient, fault: Fault) -> None:
    with contextlib.ExitStack() as stack:
        stack.callback(fault.plant(patient))
        (examined,) = found_by(patient, fault.group)
        found = examined.finding
        assert (examined.group, found.level) == (fault.group, fault.level)
        assert fault.what in found.what
        assert fault.cure in found.cure
        assert found.why
        if fault.runs and found.cure.startswith("onramp "):
            assert onramp(*found.cure.split()[1:], "--yes").code == 0
        elif fault.runs:
            run_aws(found.cure.replace("KEY", KEYS.get(fault.group, "")), patient.client)
    assert found_by(patient, fault.group) == []


def test_all_at_once_are_all_found(onramp: Onramp, patient: Patient) -> None:
    apart = {Patient.calls_somebody_else, Patient.has_a_revoked_key, Patient.shows_its_key, Patient.delivers_nowhere}
    planted = [fault for fault in FAULTS if fault.plant not in apart and not fault.runs]
    with contextlib.ExitStack() as stack:
        for fault in planted:
            if fault.plant is not Patient.waits_for_news:  # the same record
                stack.callback(fault.plant(patient))
        found = findings(onramp)
        assert [finding["level"] for finding in found] == sorted(finding["level"] for finding in found), "worst first"
        for fault in planted:
            if fault.plant is not Patient.waits_for_news:
                assert any(fault.what in finding["what"] for finding in found), fault.what
    assert findings(onramp) == []


def test_a_person_reads_what_why_and_cure(onramp: Onramp, patient: Patient) -> None:
    with contextlib.ExitStack() as stack:
        stack.callback(patient.has_a_dead_letter())
        ran = onramp("doctor", "--only", "owed")
    assert ran.code == 1
    assert "trouble" in ran.out
    assert "cure  onramp dlq list" in ran.out
    assert "1 trouble, 0 warnings" in ran.out


def test_a_key_is_never_shown(onramp: Onramp, patient: Patient) -> None:
    patient.has_a_revoked_key()
    ran = onramp("doctor", "--only", "stripe")
    patient._secret(STRIPE, stripe.LOCAL_KEY)
    assert ran.code == 1
    assert "sk_test_revoked" not in ran.out + ran.err


def test_a_provider_that_is_down_is_a_warning_and_no_trouble(onramp: Onramp, patient: Patient) -> None:
    town = Town(patient.stack)
    try:
        town.stripe.fault("server_error", operation="list", times=None)
        (found,) = findings(onramp, "stripe")
    finally:
        town.stripe.clear()
    assert (found["level"], "answers 500" in found["what"]) == ("warning", True)


def test_the_reconcilers_last_run_is_seen(onramp: Onramp, patient: Patient) -> None:
    function = patient.outputs["ReconcileFunctionName"]
    patient.client("lambda").invoke(FunctionName=function, Qualifier="live", Payload=b"{}")

    def seen() -> bool:
        return "completed a run" in onramp("doctor", "--only", "reconciler").out

    eventually(seen, what="ReconcileCompleted")


def test_an_unknown_check_is_one_sentence(onramp: Onramp, patient: Patient) -> None:
    ran = onramp("doctor", "--only", "weather")
    assert ran.code == 2
    assert "choose from pool" in ran.err


class TestWhatMayNotBeLookedAt:
    @pytest.fixture
    def visitor(self, patient: Patient, monkeypatch: pytest.MonkeyPatch, onramp: Onramp) -> Iterator[Onramp]:
        """A user who may read the stack, and nothing in it."""
        iam = patient.client("iam")
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

    def test_a_service_that_answers_nonsense_hides_nothing_else(self, onramp: Onramp, patient: Patient) -> None:
        patient.stack.control.fault("events", "*", "refused", times=None, code="UnknownOperationException", status=400)
        try:
            found = findings(onramp)
        finally:
            patient.stack.control.clear()
        assert {finding["check"] for finding in found} == {"bus", "reconciler"}
        assert all("could not be checked" in finding["what"] for finding in found)


def test_a_signup_arrives_after_all_this(patient: Patient) -> None:
    """The cures have left it whole."""
    town = Town(patient.stack)
    town.join(email := somebody("cured"))
    town.ready(email)
