"""The alarms: which are in alarm, which are missing, and do they notify a subscriber."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code
from onramp.ops.common.deployment import Deployment
from onramp.ops.common.shell import command
from onramp.ops.doctor.alarm_settings import by_hand
from onramp.ops.doctor.findings import Cause, Finding, ok, trouble, warning

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.type_defs import MetricAlarmTypeDef

ALARM = "AWS::CloudWatch::Alarm"
NAMES_PER_CALL = 100  # the limit of DescribeAlarms
NO_NOTIFICATION = "the alarms notify no subscriber."
CAUSES = {
    "ProvisioningDlqAlarm": Cause.DEAD_LETTERS,
    "RetriesExhaustedAlarm": Cause.DEAD_LETTERS,
    "PermanentFailureAlarm": Cause.DEAD_LETTERS,
    "EventDeliveryDlqAlarm": Cause.DELIVERY,
    "EventBusDlqAlarm": Cause.BUS,
    "EmitFailedAlarm": Cause.BUS,
    "PostConfirmationFailuresAlarm": Cause.TRIGGER,
    "PostConfirmationErrorsAlarm": Cause.TRIGGER,
    "PostConfirmationThrottlesAlarm": Cause.TRIGGER_THROTTLED,
    "EnrichProfileThrottlesAlarm": Cause.WORKER_THROTTLED,
    "SignupRejectedAlarm": Cause.REJECTIONS,
    "TriggerDetachedAlarm": Cause.POOL,
    "HealedAlarm": Cause.POOL,
    "SignupHealDlqAlarm": Cause.UNHEALED,
    "HealSignupErrorsAlarm": Cause.HEALER,
    "HealSignupBugAlarm": Cause.HEALER,
    "EnrichProfileErrorsAlarm": Cause.WORKER,
    "WorkerBugAlarm": Cause.WORKER,
    "ProvisioningQueueAgeAlarm": Cause.UNREAD,
    "ProviderKeyRejectedAlarm": Cause.PROVIDER_KEY,
    "SecretUnreadableAlarm": Cause.PROVIDER_KEY,
    "ReconcileMissingAlarm": Cause.RECONCILER,
    "SweepAgeAlarm": Cause.RECONCILER,
    "OldestOwedAlarm": Cause.OWED,
}
"""Every alarm of the template. The alarms of one cause have one cure: they may share a line of the report."""
CURES = {
    Cause.DEAD_LETTERS: "onramp dlq list",
    Cause.DELIVERY: "onramp dlq list",
    Cause.UNHEALED: "onramp doctor --only owed",
    Cause.BUS: "onramp doctor --only bus",
    Cause.TRIGGER_THROTTLED: "onramp doctor --only functions",
    Cause.WORKER_THROTTLED: "onramp doctor --only functions",
    Cause.UNREAD: "onramp doctor --only functions",
    Cause.REJECTIONS: "onramp doctor --only pool",
    Cause.POOL: "onramp doctor --only pool",
    Cause.PROVIDER_KEY: "onramp doctor --only stripe --only revenuecat",
    Cause.RECONCILER: "onramp doctor --only reconciler",
    Cause.OWED: "onramp status",
}
LOGS = {Cause.TRIGGER: "PostConfirmation", Cause.WORKER: "EnrichProfile", Cause.HEALER: "HealSignup"}
"""The function whose log names the cause."""


def alarms(stack: Deployment) -> Iterator[Finding]:
    logical_ids = {entry.physical_id: name for name, entry in stack.resources.items() if entry.kind == ALARM}
    existing = {alarm["AlarmName"]: alarm for alarm in _describe(stack, list(logical_ids))}
    firing = [alarm for alarm in existing.values() if alarm["StateValue"] == "ALARM"]
    for alarm in firing:
        logical_id = logical_ids[alarm["AlarmName"]]
        why, cause = alarm.get("AlarmDescription", "see docs/runbook.md."), CAUSES.get(logical_id)
        cure = _cure(stack, alarm["AlarmName"], cause)
        yield trouble(f"{logical_id} is in alarm.", why, cure, cause, symptom=True)
    yield from _actions(stack, list(existing.values()))
    yield from _topics(stack, list(existing.values()))
    if existing and not firing:
        yield ok(f"none of {len(existing)} alarms is in alarm.")
    yield from by_hand(stack, existing, logical_ids)


def _describe(stack: Deployment, names: Sequence[str]) -> Iterator[MetricAlarmTypeDef]:
    for start in range(0, len(names), NAMES_PER_CALL):
        batch = names[start : start + NAMES_PER_CALL]
        reply = stack.client("cloudwatch").describe_alarms(AlarmNames=batch, MaxRecords=NAMES_PER_CALL)
        yield from reply["MetricAlarms"]


def _actions(stack: Deployment, alarms: Sequence[MetricAlarmTypeDef]) -> Iterator[Finding]:
    """An alarm needs an enabled action."""
    why = "they notify no subscriber: you learn of an outage from your users."
    if stack.is_local:
        yield ok("the alarms of a local stack notify no subscriber.")
    elif alarms and not stack.parameters.get("AlarmTopicArn"):
        what = "the alarms have no topic: the stack's AlarmTopicArn is empty."
        yield warning(what, why, stack.deploy_command(AlarmTopicArn="TOPIC_ARN"))
    elif disabled := sorted(alarm["AlarmName"] for alarm in alarms if not alarm.get("ActionsEnabled", True)):
        enable = "aws cloudwatch enable-alarm-actions --alarm-names" + " {}" * len(disabled)
        what = f"the actions of {len(disabled)} of {len(alarms)} alarms are disabled."
        yield warning(what, why, command(enable, *disabled))


def _topics(stack: Deployment, alarms: Sequence[MetricAlarmTypeDef]) -> Iterator[Finding]:
    """The topic of an action needs a confirmed subscription."""
    topics = {action for alarm in alarms for action in alarm.get("AlarmActions", []) if ":sns:" in action}
    for topic in sorted(topics):
        confirmed = _subscriptions(stack, topic)
        subscribe = command("aws sns subscribe --topic-arn {} --protocol email --notification-endpoint ADDRESS", topic)
        if confirmed is None:
            create = command("aws sns create-topic --name {}", topic.rpartition(":")[2])
            yield trouble(f"the alarms' topic {topic} does not exist.", NO_NOTIFICATION, f"{create} && {subscribe}")
        elif not confirmed:
            yield warning(f"{topic} has no confirmed subscription.", NO_NOTIFICATION, subscribe)
        else:
            subscribers = f"{confirmed} subscriber{'s' * (confirmed > 1)}"
            yield ok(f"the alarms notify {subscribers} of {topic.rpartition(':')[2]}.")


def _subscriptions(stack: Deployment, topic: str) -> int | None:
    """The number of confirmed ones; None where the topic does not exist."""
    try:
        subscriptions = stack.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    except ClientError as error:
        if error_code(error) not in ("NotFound", "NotFoundException"):
            raise
        return None
    return sum(1 for subscription in subscriptions if subscription["SubscriptionArn"].startswith("arn:"))


def _cure(stack: Deployment, alarm: str, cause: Cause | None) -> str:
    if cause is None:
        return command("aws cloudwatch describe-alarms --alarm-names {}", alarm)
    if cause in CURES:
        return command(CURES[cause])
    return command("aws logs tail {} --since 1h", f"/aws/lambda/{stack.name}-{LOGS[cause]}")
