"""A stack in good health, and what can be wrong with one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from onramp.local.fakes import revenuecat, stripe
from onramp.local.parameters import REGION, STACK_NAME
from onramp.local.stack import LocalStack
from onramp.ops.attach.pool_update import UserPool
from onramp.wiring.clients import now_millis
from tests.conftest import QUICK

STRIPE, REVENUECAT = "/doctor/stripe", "/doctor/revenuecat"
Undo = Callable[[], object]


@contextmanager
def healthy_stack() -> Iterator[LocalStack]:
    """Whatever the doctor finds here was planted."""
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


class FaultyStack:
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
        since = {"N": str(now_millis() - 3 * 3_600_000)}
        stored = {"owed": {"S": owed}, "owedSince": since, "dueAt": since}
        self.client("dynamodb").put_item(TableName=table, Item={**key, **stored})
        return lambda: self.client("dynamodb").delete_item(TableName=table, Key=key)

    def waits_for_the_operator(self) -> Undo:
        return self._owes("operator#1")

    def waits_for_news(self) -> Undo:
        return self._owes("emit#1")


class Fault(NamedTuple):
    """`runs` False: its cure is a deployment, or a person's own work."""

    plant: Callable[[FaultyStack], Undo]
    group: str
    level: str
    what: str
    cure: str
    runs: bool = True


FAULTS = [
    Fault(FaultyStack.drops_its_trigger, "pool", "trouble", "calls no trigger", "onramp attach --user-pool"),
    Fault(FaultyStack.calls_somebody_else, "pool", "trouble", "calls another function", "--replace"),
    Fault(FaultyStack.forbids_the_invocation, "pool", "trouble", "may not invoke", "aws lambda add-permission"),
    Fault(
        FaultyStack.signs_in_through_a_stranger, "pool", "trouble", "Fabrikam", "TrustedIdentityProviders=", runs=False
    ),
    Fault(
        FaultyStack.runs_other_settings, "functions", "trouble", "ALLOW_UNVERIFIED", f"STACK={STACK_NAME}", runs=False
    ),
    Fault(FaultyStack.is_switched_off, "functions", "trouble", "switched off", "delete-function-concurrency"),
    Fault(FaultyStack.is_not_fed, "functions", "trouble", "disabled", "update-event-source-mapping"),
    Fault(FaultyStack.hides_messages_too_shortly, "functions", "warning", "30 s", "TimeoutSeconds=360", runs=False),
    Fault(FaultyStack.disables_the_rule, "bus", "trouble", "is disabled", "aws events enable-rule"),
    Fault(FaultyStack.matches_something_else, "bus", "trouble", "does not match", "aws events put-rule"),
    Fault(FaultyStack.delivers_nowhere, "bus", "trouble", "does not deliver", "aws events put-targets"),
    Fault(FaultyStack.loses_what_it_cannot_deliver, "bus", "trouble", "no dead-letter", "aws events put-targets"),
    Fault(FaultyStack.shuts_eventbridge_out, "queues", "trouble", "may not send", "aws sqs set-queue-attributes"),
    Fault(FaultyStack.encrypts_with_the_key_of_aws, "queues", "trouble", "alias/aws/sqs", "SqsManagedSseEnabled"),
    Fault(FaultyStack.forgets_letters_early, "queues", "trouble", "kept for 1 d", "MessageRetentionPeriod"),
    Fault(FaultyStack.has_a_dead_letter, "owed", "trouble", "1 in EventDeliveryDlq", "onramp dlq list", runs=False),
    Fault(FaultyStack.loses_the_key, "stripe", "trouble", "is not there", "aws ssm put-parameter"),
    Fault(FaultyStack.has_a_revoked_key, "stripe", "trouble", "refuses the key", "aws ssm put-parameter"),
    Fault(FaultyStack.shows_its_key, "stripe", "trouble", "no SecureString", "aws ssm put-parameter"),
    Fault(FaultyStack.has_a_key_of_the_old_api, "revenuecat", "trouble", "refuses the key", "aws ssm put-parameter"),
    Fault(FaultyStack.stops_the_schedule, "reconciler", "trouble", "schedule is disabled", "aws events enable-rule"),
    Fault(FaultyStack.schedules_nothing, "reconciler", "trouble", "does not call it", "aws events put-targets"),
    Fault(FaultyStack.silences_its_alarms, "alarms", "warning", "tell nobody", "AlarmTopicArn=", runs=False),
    Fault(FaultyStack.rings, "alarms", "trouble", "ProviderKeyRejectedAlarm", "onramp doctor --only", runs=False),
    Fault(FaultyStack.waits_for_the_operator, "owed", "trouble", "`operator` is owed", "onramp dlq list", runs=False),
    Fault(FaultyStack.waits_for_news, "owed", "trouble", "`emit` is owed", "onramp doctor --only bus", runs=False),
]
KEYS = {"stripe": stripe.LOCAL_KEY, "revenuecat": revenuecat.LOCAL_KEY}
