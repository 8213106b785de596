"""A stack without faults, and the faults that tests plant in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from onramp.local.fakes import revenuecat, stripe
from onramp.local.parameters import REGION, STACK_NAME
from onramp.local.stack import LocalStack
from onramp.ops.attach.pool_update import UserPool
from onramp.wiring.clients import now_millis
from tests.conftest import QUICK

STRIPE, REVENUECAT = "/doctor/stripe", "/doctor/revenuecat"
TOPIC = f"arn:aws:sns:{REGION}:000000000000:pager"
Undo = Callable[[], object]


@contextmanager
def healthy_stack() -> Iterator[LocalStack]:
    """Its doctor finds no fault but the planted ones."""
    parameters = {"AlarmTopicArn": TOPIC, "VisibilityTimeoutSeconds": "360"}
    parameters |= {"HealOnSignIn": "true", "PostConfirmationReservedConcurrency": "50"}
    secrets = {"StripeSecretName": STRIPE, "RevenueCatSecretName": REVENUECAT}
    with LocalStack.start(enforce_iam=True, parameters=QUICK | parameters | secrets) as own:
        own.client("sns").create_topic(Name="pager")
        _subscribe(own.client("sns"))
        trigger = own.outputs["PostConfirmationFunctionName"]  # the emulator's CloudFormation does not reserve
        own.client("lambda").put_function_concurrency(FunctionName=trigger, ReservedConcurrentExecutions=50)
        for name, key in ((STRIPE, stripe.LOCAL_KEY), (REVENUECAT, revenuecat.LOCAL_KEY)):
            own.client("ssm").put_parameter(Name=name, Value=key, Type="SecureString", Overwrite=True)
        yield own


def _subscribe(sns: Any) -> None:
    """SNS confirms a queue of the same account at once."""
    sns.subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:000000000000:pager")


class FaultyStack:
    """Each method plants a fault and returns how to undo it; it undoes nothing where the test runs the cure."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack, self.client, self.outputs = stack, stack.client, stack.outputs
        self.pool = self.outputs["UserPoolId"]
        self.trigger = self.outputs["PostConfirmationFunctionName"]
        self.worker = self.outputs["EnrichProfileFunctionName"]
        self.healer = self.outputs["HealSignupFunctionName"]

    # -- pool ------------------------------------------------------------------------------------------

    def _set_triggers(self, **triggers: str) -> Undo:
        pool = UserPool(self.client("cognito-idp"), self.pool)
        pool.update(pool.describe(), triggers)
        return lambda: None

    def pool_without_trigger(self) -> Undo:
        return self._set_triggers()

    def pool_without_the_alias(self) -> Undo:
        function = self.client("lambda").get_function_configuration(FunctionName=self.trigger)["FunctionArn"]
        return self._set_triggers(PostConfirmation=function)

    def pool_without_the_sign_in(self) -> Undo:
        alias = self.client("lambda").get_alias(FunctionName=self.trigger, Name="live")["AliasArn"]
        return self._set_triggers(PostConfirmation=alias)

    def pool_with_another_trigger(self) -> Undo:
        return self._set_triggers(PostConfirmation="arn:aws:lambda:eu-west-1:000000000000:function:another")

    def trigger_without_permission(self) -> Undo:
        lambdas = self.client("lambda")
        policy = json.loads(lambdas.get_policy(FunctionName=self.trigger, Qualifier="live")["Policy"])
        for statement in policy["Statement"]:
            lambdas.remove_permission(FunctionName=self.trigger, Qualifier="live", StatementId=statement["Sid"])
        return lambda: None

    def permission_without_a_source(self) -> Undo:
        self.client("lambda").add_permission(
            FunctionName=self.trigger,
            Qualifier="live",
            StatementId="by-hand",
            Action="lambda:InvokeFunction",
            Principal="cognito-idp.amazonaws.com",
        )
        return lambda: None

    def untrusted_identity_provider(self) -> Undo:
        provider = {"UserPoolId": self.pool, "ProviderName": "Fabrikam"}
        self.client("cognito-idp").create_identity_provider(
            ProviderType="SAML", ProviderDetails={"MetadataURL": "https://idp.example/metadata"}, **provider
        )
        return lambda: self.client("cognito-idp").delete_identity_provider(**provider)

    # -- functions -------------------------------------------------------------------------------------

    def changed_trigger_settings(self) -> Undo:
        lambdas = self.client("lambda")
        before = lambdas.get_function_configuration(FunctionName=self.trigger)["Environment"]
        changed = {"Variables": {**before["Variables"], "ALLOW_UNVERIFIED_SIGNUPS": "true"}}
        lambdas.update_function_configuration(FunctionName=self.trigger, Environment=changed, Timeout=9)
        return lambda: None

    def settings_that_run(self) -> Undo:
        """A version published by hand, with the alias moved to it."""
        lambdas = self.client("lambda")
        version = lambdas.get_alias(FunctionName=self.trigger, Name="live")["FunctionVersion"]
        before = lambdas.get_function_configuration(FunctionName=self.trigger)["Environment"]
        changed = {"Variables": {**before["Variables"], "ALLOW_UNVERIFIED_SIGNUPS": "true"}}
        lambdas.update_function_configuration(FunctionName=self.trigger, Environment=changed)
        published = lambdas.publish_version(FunctionName=self.trigger)["Version"]
        lambdas.update_alias(FunctionName=self.trigger, Name="live", FunctionVersion=published)

        def undo() -> None:
            lambdas.update_function_configuration(FunctionName=self.trigger, Environment=before)
            lambdas.update_alias(FunctionName=self.trigger, Name="live", FunctionVersion=version)

        return undo

    def trigger_without_concurrency(self) -> Undo:
        self.client("lambda").put_function_concurrency(FunctionName=self.trigger, ReservedConcurrentExecutions=0)
        return lambda: None

    def worker_without_concurrency(self) -> Undo:
        self.client("lambda").put_function_concurrency(FunctionName=self.worker, ReservedConcurrentExecutions=0)
        return lambda: None

    def disabled_event_source_mapping(self) -> Undo:
        mappings = self.client("lambda").list_event_source_mappings(FunctionName=self.worker)["EventSourceMappings"]
        self.client("lambda").update_event_source_mapping(UUID=mappings[0]["UUID"], Enabled=False)
        return lambda: None

    def _mapping(self, function: str) -> str:
        (mapping,) = self.client("lambda").list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
        return str(mapping["UUID"])

    def no_event_source_mapping(self) -> Undo:
        self.client("lambda").delete_event_source_mapping(UUID=self._mapping(self.worker))
        return lambda: None

    def mapping_without_partial_failures(self) -> Undo:
        self.client("lambda").update_event_source_mapping(UUID=self._mapping(self.worker), FunctionResponseTypes=[])
        return lambda: None

    def mapping_with_another_concurrency(self) -> Undo:
        other = {"MaximumConcurrency": 50}
        self.client("lambda").update_event_source_mapping(UUID=self._mapping(self.worker), ScalingConfig=other)
        return lambda: None

    def healer_without_concurrency(self) -> Undo:
        self.client("lambda").put_function_concurrency(FunctionName=self.healer, ReservedConcurrentExecutions=0)
        return lambda: None

    def _change_heal_mapping(self, **change: object) -> Undo:
        self.client("lambda").update_event_source_mapping(UUID=self._mapping(self.healer), **change)
        return lambda: None

    def disabled_heal_mapping(self) -> Undo:
        return self._change_heal_mapping(Enabled=False)

    def no_heal_mapping(self) -> Undo:
        self.client("lambda").delete_event_source_mapping(UUID=self._mapping(self.healer))
        return lambda: None

    def heal_mapping_without_partial_failures(self) -> Undo:
        return self._change_heal_mapping(FunctionResponseTypes=[])

    def heal_mapping_with_another_concurrency(self) -> Undo:
        return self._change_heal_mapping(ScalingConfig={"MaximumConcurrency": 50})

    def unfinished_gradual_deployment(self) -> Undo:
        lambdas = self.client("lambda")
        version = lambdas.get_alias(FunctionName=self.worker, Name="live")["FunctionVersion"]
        weights = {"AdditionalVersionWeights": {version: 0.1}}
        lambdas.update_alias(FunctionName=self.worker, Name="live", RoutingConfig=weights)
        return lambda: None

    def short_visibility_timeout(self) -> Undo:
        return self._set_attributes("ProvisioningQueueUrl", VisibilityTimeout="30")

    def short_heal_visibility_timeout(self) -> Undo:
        return self._set_attributes("SignupHealQueueUrl", VisibilityTimeout="30")

    # -- bus and queues --------------------------------------------------------------------------------

    def _rule(self) -> dict[str, str]:
        bus = self.outputs["EventBusName"]
        rules = self.client("events").list_rules(EventBusName=bus)["Rules"]
        (name,) = (rule["Name"] for rule in rules if "SignupNotRecorded" not in rule["EventPattern"])
        return {"EventBusName": bus, "Name": name}

    def disabled_rule(self) -> Undo:
        self.client("events").disable_rule(**self._rule())
        return lambda: None

    def rule_with_another_pattern(self) -> Undo:
        self.client("events").put_rule(**self._rule(), EventPattern='{"source": ["another.source"]}')
        return lambda: None

    def no_rule(self) -> Undo:
        rule = self._rule()
        where = {"EventBusName": rule["EventBusName"], "Rule": rule["Name"]}
        self.client("events").remove_targets(Ids=["ProvisioningQueue"], **where)
        self.client("events").delete_rule(**rule)
        return lambda: None

    def no_bus(self) -> Undo:
        self.no_rule()
        self.client("events").delete_event_bus(Name=self.outputs["EventBusName"])
        return lambda: None

    def no_archive(self) -> Undo:
        (archive,) = self.client("events").list_archives()["Archives"]
        self.client("events").delete_archive(ArchiveName=archive["ArchiveName"])
        return lambda: None

    def rule_without_target(self) -> Undo:
        rule = self._rule()
        where = {"EventBusName": rule["EventBusName"], "Rule": rule["Name"]}
        self.client("events").remove_targets(Ids=["ProvisioningQueue"], **where)
        return lambda: None

    def target_without_dead_letter_queue(self) -> Undo:
        rule = self._rule()
        where = {"EventBusName": rule["EventBusName"], "Rule": rule["Name"]}
        (target,) = self.client("events").list_targets_by_rule(**where)["Targets"]
        del target["DeadLetterConfig"]
        self.client("events").put_targets(Targets=[target], **where)
        return lambda: None

    def _set_attributes(self, output: str, **attributes: str) -> Undo:
        sqs, url = self.client("sqs"), self.outputs[output]
        sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
        return lambda: None

    def queue_without_policy(self) -> Undo:
        return self._set_attributes("ProvisioningQueueUrl", Policy='{"Version": "2012-10-17", "Statement": []}')

    def heal_queue_without_policy(self) -> Undo:
        return self._set_attributes("SignupHealQueueUrl", Policy='{"Version": "2012-10-17", "Statement": []}')

    def heal_queue_without_redrive_policy(self) -> Undo:
        return self._set_attributes("SignupHealQueueUrl", RedrivePolicy="")

    def _no_queue(self, output: str) -> Undo:
        self.client("sqs").delete_queue(QueueUrl=self.outputs[output])
        return lambda: None

    def no_heal_queue(self) -> Undo:
        return self._no_queue("SignupHealQueueUrl")

    def no_heal_dlq(self) -> Undo:
        return self._no_queue("SignupHealDlqUrl")

    def no_provisioning_queue(self) -> Undo:
        return self._no_queue("ProvisioningQueueUrl")

    def no_provisioning_dlq(self) -> Undo:
        return self._no_queue("ProvisioningDlqUrl")

    def no_delivery_dlq(self) -> Undo:
        return self._no_queue("EventDeliveryDlqUrl")

    def queue_open_to_everyone(self) -> Undo:
        sqs, url = self.client("sqs"), self.outputs["ProvisioningQueueUrl"]
        policy = json.loads(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"])
        del policy["Statement"][0]["Condition"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
        return lambda: None

    def queue_without_redrive_policy(self) -> Undo:
        sqs, url = self.client("sqs"), self.outputs["ProvisioningQueueUrl"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedrivePolicy": ""})
        return lambda: None

    def queue_with_aws_managed_key(self) -> Undo:
        self._set_attributes("EventDeliveryDlqUrl", KmsMasterKeyId="alias/aws/sqs")
        return lambda: None

    def key_without_a_grant(self) -> Undo:
        self.key = self.client("kms").create_key()["KeyMetadata"]["Arn"]
        url = self.outputs["EventDeliveryDlqUrl"]
        self._set_attributes("EventDeliveryDlqUrl", KmsMasterKeyId=self.key)
        managed = {"KmsMasterKeyId": "", "SqsManagedSseEnabled": "true"}
        return lambda: self.client("sqs").set_queue_attributes(QueueUrl=url, Attributes=managed)

    def short_dead_letter_retention(self) -> Undo:
        return self._set_attributes("ProvisioningDlqUrl", MessageRetentionPeriod="86400")

    def dead_letter(self) -> Undo:
        sqs, url = self.client("sqs"), self.outputs["EventDeliveryDlqUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="undelivered")
        return lambda: sqs.purge_queue(QueueUrl=url)

    # -- secrets ---------------------------------------------------------------------------------------

    def put_secret(self, name: str, value: str, kind: str = "SecureString") -> None:
        self.client("ssm").delete_parameter(Name=name)
        self.client("ssm").put_parameter(Name=name, Value=value, Type=kind)

    def missing_key(self) -> Undo:
        self.client("ssm").delete_parameter(Name=STRIPE)
        return lambda: None

    def revoked_key(self) -> Undo:
        self.put_secret(STRIPE, "sk_test_revoked")
        return lambda: None

    def key_of_the_old_api(self) -> Undo:
        self.put_secret(REVENUECAT, revenuecat.LOCAL_V1_KEY)
        return lambda: None

    def unencrypted_key(self) -> Undo:
        self.put_secret(STRIPE, stripe.LOCAL_KEY, "String")
        return lambda: None

    # -- reconciler, alarms, owed ----------------------------------------------------------------------

    def _schedule(self) -> str:
        rules = self.client("events").list_rules()["Rules"]
        return next(str(rule["Name"]) for rule in rules if rule["Name"].startswith(f"{STACK_NAME}-Reconcile"))

    def disabled_schedule(self) -> Undo:
        self.client("events").disable_rule(Name=self._schedule())
        return lambda: None

    def no_schedule(self) -> Undo:
        name = self._schedule()
        self.schedule_without_target()
        self.client("events").delete_rule(Name=name)
        return lambda: None

    def schedule_without_target(self) -> Undo:
        targets = self.client("events").list_targets_by_rule(Rule=self._schedule())["Targets"]
        self.client("events").remove_targets(Rule=self._schedule(), Ids=[target["Id"] for target in targets])
        return lambda: None

    def late_reconciler(self) -> Undo:
        """Its last run was 40 minutes ago."""
        dimension = {"Name": "service", "Value": self.outputs["ReconcileFunctionName"]}
        at = datetime.now(UTC) - timedelta(minutes=40)
        completed = {"MetricName": "ReconcileCompleted", "Dimensions": [dimension], "Timestamp": at, "Value": 1.0}
        self.client("cloudwatch").put_metric_data(Namespace="Onramp", MetricData=[completed])
        return lambda: None

    def _alarms(self) -> list[str]:
        alarms = self.client("cloudwatch").describe_alarms(AlarmNamePrefix=STACK_NAME)["MetricAlarms"]
        return [alarm["AlarmName"] for alarm in alarms]

    def alarms_without_enabled_actions(self) -> Undo:
        self.client("cloudwatch").disable_alarm_actions(AlarmNames=self._alarms())
        return lambda: None

    def deleted_alarm(self) -> Undo:
        names = [name for name in self._alarms() if "ProvisioningDlqAlarm" in name]
        self.client("cloudwatch").delete_alarms(AlarmNames=names)
        return lambda: None

    def changed_alarm(self) -> Undo:
        (alarm,) = (name for name in self._alarms() if "ProvisioningQueueAge" in name)
        (settings,) = self.client("cloudwatch").describe_alarms(AlarmNames=[alarm])["MetricAlarms"]
        known = self.client("cloudwatch").meta.service_model.operation_model("PutMetricAlarm").input_shape.members
        request = {name: value for name, value in settings.items() if name in known}
        self.client("cloudwatch").put_metric_alarm(**request | {"Threshold": 1_000_000.0})
        return lambda: None

    def topic_without_subscription(self) -> Undo:
        sns = self.client("sns")
        (known,) = sns.list_subscriptions_by_topic(TopicArn=TOPIC)["Subscriptions"]
        sns.unsubscribe(SubscriptionArn=known["SubscriptionArn"])
        return lambda: None

    def no_topic(self) -> Undo:
        sns = self.client("sns")
        sns.delete_topic(TopicArn=TOPIC)
        return lambda: None

    def alarm_in_alarm(self) -> Undo:
        name = next(name for name in self._alarms() if "ProviderKeyRejected" in name)
        self.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="planted")
        return lambda: self.client("cloudwatch").set_alarm_state(AlarmName=name, StateValue="OK", StateReason="over")

    def _owe(self, owed: str) -> Undo:
        table, key = self.outputs["UsersTableName"], {"userId": {"S": "waiting@example.com"}}
        since = {"N": str(now_millis() - 3 * 3_600_000)}
        stored = {"owed": {"S": owed}, "owedSince": since, "dueAt": since}
        self.client("dynamodb").put_item(TableName=table, Item={**key, **stored})
        return lambda: self.client("dynamodb").delete_item(TableName=table, Key=key)

    def owed_operator(self) -> Undo:
        return self._owe("operator#1")

    def overdue_emit(self) -> Undo:
        return self._owe("emit#1")


class Fault(NamedTuple):
    """`what` is a part of the first finding, `cure` one or several ("a ... b"). `runs` False: the cure is a deployment,
    or a command that only looks.

    `cures`: how many have to be run, one after the other, each as the doctor then prints it.
    """

    plant: Callable[[FaultyStack], Undo]
    group: str
    level: str
    what: str
    cure: str
    runs: bool = True
    cures: int = 1

    @property
    def cure_parts(self) -> list[str]:
        return self.cure.split(" ... ")


FAULTS = [
    Fault(FaultyStack.pool_without_trigger, "pool", "trouble", "calls no trigger", "onramp attach --user-pool"),
    Fault(FaultyStack.pool_with_another_trigger, "pool", "trouble", "calls another function", "--replace"),
    Fault(FaultyStack.pool_without_the_alias, "pool", "trouble", "without its alias", "onramp attach --user-pool"),
    Fault(FaultyStack.pool_without_the_sign_in, "pool", "warning", "at sign-in", "--heal-on-sign-in"),
    Fault(FaultyStack.trigger_without_permission, "pool", "trouble", "may not invoke", "aws lambda add-permission"),
    Fault(FaultyStack.permission_without_a_source, "pool", "warning", "every pool", "aws lambda remove-permission"),
    Fault(
        FaultyStack.untrusted_identity_provider, "pool", "trouble", "Fabrikam", "TrustedIdentityProviders=", runs=False
    ),
    Fault(
        FaultyStack.changed_trigger_settings, "functions", "trouble", "ALLOW_UNVERIFIED", "update-function-configurat"
    ),
    Fault(FaultyStack.settings_that_run, "functions", "trouble", "ALLOW_UNVERIFIED", "LogLevel=INFO", runs=False),
    Fault(FaultyStack.trigger_without_concurrency, "functions", "trouble", "switched off", "put-function-concurrency"),
    Fault(
        FaultyStack.worker_without_concurrency, "functions", "trouble", "switched off", "delete-function-concurrency"
    ),
    Fault(
        FaultyStack.disabled_event_source_mapping,
        "functions",
        "trouble",
        "disabled",
        "update-event-source-mapping ... --enabled",
    ),
    Fault(
        FaultyStack.no_event_source_mapping, "functions", "trouble", "no event source mapping", "create-event-source-ma"
    ),
    Fault(FaultyStack.mapping_without_partial_failures, "functions", "trouble", "batch item failures", "ReportBatch"),
    Fault(
        FaultyStack.mapping_with_another_concurrency, "functions", "warning", "concurrency is 50", "--scaling-config"
    ),
    Fault(
        FaultyStack.unfinished_gradual_deployment, "functions", "warning", "goes to version", "aws lambda update-ali"
    ),
    Fault(FaultyStack.short_visibility_timeout, "functions", "warning", "30 s", "aws sqs set-queue-attributes"),
    Fault(
        FaultyStack.short_heal_visibility_timeout, "functions", "warning", "of SignupHealQueue is 30", "aws sqs set-"
    ),
    Fault(
        FaultyStack.healer_without_concurrency,
        "functions",
        "trouble",
        "the healer is sw",
        "delete-function-concurrency",
    ),
    Fault(
        FaultyStack.disabled_heal_mapping,
        "functions",
        "trouble",
        "the healer's event source mapping is dis",
        "update-event-source-mapping ... --enabled",
    ),
    Fault(
        FaultyStack.no_heal_mapping,
        "functions",
        "trouble",
        "the healer's alias `live` has no",
        "create-event-source-ma",
    ),
    Fault(
        FaultyStack.heal_mapping_without_partial_failures, "functions", "trouble", "the healer's event", "ReportBatch"
    ),
    Fault(
        FaultyStack.heal_mapping_with_another_concurrency, "functions", "warning", "the healer's max", "oncurrency=2"
    ),
    Fault(FaultyStack.disabled_rule, "bus", "trouble", "is disabled", "aws events enable-rule"),
    Fault(FaultyStack.rule_with_another_pattern, "bus", "trouble", "does not match", "aws events put-rule"),
    Fault(FaultyStack.no_rule, "bus", "trouble", "there is no rule", "aws events put-rule", cures=2),
    Fault(FaultyStack.no_bus, "bus", "trouble", "there is no event bus", "aws events create-event-bus", cures=5),
    Fault(FaultyStack.no_archive, "bus", "warning", "no archive", "aws events create-archive"),
    Fault(FaultyStack.rule_without_target, "bus", "trouble", "does not deliver", "aws events put-targets"),
    Fault(FaultyStack.target_without_dead_letter_queue, "bus", "trouble", "no dead-letter", "aws events put-targets"),
    Fault(FaultyStack.queue_without_policy, "queues", "trouble", "may not send", "aws sqs set-queue-attributes"),
    Fault(FaultyStack.queue_open_to_everyone, "queues", "warning", "every rule of every", "aws sqs set-queue-attrib"),
    Fault(FaultyStack.queue_without_redrive_policy, "queues", "trouble", "no redrive policy", "RedrivePolicy"),
    Fault(
        FaultyStack.heal_queue_without_policy, "queues", "trouble", "may not send to SignupHealQueue", "aws sqs set-"
    ),
    Fault(FaultyStack.heal_queue_without_redrive_policy, "queues", "trouble", "SignupHealQueue has no redri", "240"),
    Fault(FaultyStack.no_heal_queue, "queues", "trouble", "no queue SignupHealQueue", "aws sqs create-queue", cures=3),
    Fault(FaultyStack.no_heal_dlq, "queues", "trouble", "no queue SignupHealDlq", "aws sqs create-queue", cures=2),
    Fault(FaultyStack.no_provisioning_queue, "queues", "trouble", "no queue ProvisioningQ", "create-queue", cures=3),
    Fault(
        FaultyStack.no_provisioning_dlq,
        "queues",
        "trouble",
        "no queue ProvisioningDlq",
        "aws sqs create-queue",
        cures=1,
    ),
    Fault(FaultyStack.no_delivery_dlq, "queues", "trouble", "no queue EventDeliveryDlq", "aws sqs create-q", cures=2),
    Fault(FaultyStack.queue_with_aws_managed_key, "queues", "trouble", "alias/aws/sqs", "SqsManagedSseEnabled"),
    Fault(FaultyStack.key_without_a_grant, "queues", "trouble", "may not use the key", "aws kms put-key-policy"),
    Fault(FaultyStack.short_dead_letter_retention, "queues", "trouble", "kept for 1 d", "MessageRetentionPeriod"),
    Fault(
        FaultyStack.dead_letter, "owed", "trouble", "1 dead letter in EventDeliveryDlq", "onramp dlq list", runs=False
    ),
    Fault(FaultyStack.missing_key, "stripe", "trouble", "no SSM parameter", "aws ssm put-parameter ... --overwrite"),
    Fault(FaultyStack.revoked_key, "stripe", "trouble", "refuses the key", "aws ssm put-parameter"),
    Fault(
        FaultyStack.unencrypted_key,
        "stripe",
        "trouble",
        "not a SecureString",
        "delete-parameter ... SecureString --value",
    ),
    Fault(FaultyStack.key_of_the_old_api, "revenuecat", "trouble", "refuses the key", "aws ssm put-parameter"),
    Fault(FaultyStack.disabled_schedule, "reconciler", "trouble", "schedule is disabled", "aws events enable-rule"),
    Fault(FaultyStack.no_schedule, "reconciler", "trouble", "has no schedule", "aws events put-rule", cures=2),
    Fault(FaultyStack.late_reconciler, "reconciler", "trouble", "40 min ago", "aws lambda invoke"),
    Fault(FaultyStack.schedule_without_target, "reconciler", "trouble", "does not invoke it", "aws events put-targets"),
    Fault(
        FaultyStack.alarms_without_enabled_actions,
        "alarms",
        "warning",
        "22 of 22 alarms",
        "aws cloudwatch enable-alarm",
    ),
    Fault(FaultyStack.deleted_alarm, "alarms", "trouble", "was deleted by hand", "aws cloudwatch put-metric-alarm"),
    Fault(FaultyStack.changed_alarm, "alarms", "warning", "Threshold", "aws cloudwatch put-metric-alarm"),
    Fault(FaultyStack.topic_without_subscription, "alarms", "warning", "no confirmed", "aws sns subscribe"),
    Fault(FaultyStack.no_topic, "alarms", "trouble", "does not exist", "aws sns create-topic ... aws sns subscribe"),
    Fault(
        FaultyStack.alarm_in_alarm, "alarms", "trouble", "ProviderKeyRejectedAlarm", "onramp doctor --only", runs=False
    ),
    Fault(
        FaultyStack.owed_operator,
        "owed",
        "trouble",
        "`operator` is owed",
        "onramp dlq redrive --from-table",
        runs=False,
    ),
    Fault(FaultyStack.overdue_emit, "owed", "trouble", "`emit` is owed", "onramp doctor --only bus", runs=False),
]
KEYS = {"stripe": stripe.LOCAL_KEY, "revenuecat": revenuecat.LOCAL_KEY}
