"""The alarms: does somebody hear them, and what do they say now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code
from onramp.ops.common.deployment import Deployment
from onramp.ops.doctor.findings import Finding, ok, trouble, warning

ALARM = "AWS::CloudWatch::Alarm"
AT_ONCE = 100  # names in one DescribeAlarms
CURES = {
    "ProvisioningDlqAlarm": "onramp dlq list",
    "EventDeliveryDlqAlarm": "onramp dlq list",
    "RetriesExhaustedAlarm": "onramp dlq list",
    "PermanentFailureAlarm": "onramp dlq list",
    "OldestOwedAlarm": "onramp status",
    "ReconcileMissingAlarm": "onramp doctor --only reconciler",
    "ProviderKeyRejectedAlarm": "onramp doctor --only stripe --only revenuecat",
    "SecretUnreadableAlarm": "onramp doctor --only stripe --only revenuecat",
    "EmitFailedAlarm": "onramp doctor --only bus",
}


def alarms(stack: Deployment) -> Iterator[Finding]:
    expected = {entry.id: name for name, entry in stack.resources.items() if entry.kind == ALARM}
    found = {alarm["AlarmName"]: alarm for alarm in _described(stack, list(expected))}
    ringing = [alarm for alarm in found.values() if alarm["StateValue"] == "ALARM"]
    for alarm in ringing:
        logical = expected[alarm["AlarmName"]]
        cure = CURES.get(logical, f"aws logs tail /aws/lambda/{stack.name}-{_function(logical)} --since 1h")
        yield trouble(f"{logical} is in alarm.", alarm.get("AlarmDescription", "see docs/runbook.md."), cure)
    if gone := sorted(expected[name] for name in expected.keys() - found.keys()):
        why = "what they watch can fail without anybody being told."
        yield trouble(f"deleted by hand: {', '.join(gone)}.", why, "aws cloudformation detect-stack-drift")
    yield from _heard(stack, list(found.values()))
    if found and not ringing:
        yield ok(f"none of {len(found)} alarms is in alarm.")


def _described(stack: Deployment, names: list[str]) -> Iterator[dict[str, Any]]:
    for start in range(0, len(names), AT_ONCE):
        request = {"AlarmNames": names[start : start + AT_ONCE], "MaxRecords": AT_ONCE}
        yield from stack.client("cloudwatch").describe_alarms(**request)["MetricAlarms"]


def _heard(stack: Deployment, found: list[dict[str, Any]]) -> Iterator[Finding]:
    """An alarm that tells nobody is no alarm; neither is one whose topic nobody has subscribed to."""
    if mute := [alarm for alarm in found if not alarm.get("AlarmActions") or not alarm.get("ActionsEnabled", True)]:
        yield warning(
            f"{len(mute)} of {len(found)} alarms tell nobody.",
            "you hear of an outage from your users.",
            stack.deploy_with(AlarmTopicArn="TOPIC_ARN"),
        )
    topics = {action for alarm in found for action in alarm.get("AlarmActions", []) if ":sns:" in action}
    for topic in sorted(topics):
        confirmed = _subscriptions(stack, topic)
        subscribe = f"aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint ADDRESS"
        if confirmed is None:
            yield trouble(f"the alarms' topic {topic} does not exist.", "they tell nobody.", subscribe)
        elif not confirmed:
            yield warning(f"nobody has subscribed to {topic}.", "the alarms tell nobody.", subscribe)
        else:
            yield ok(f"the alarms tell {confirmed} subscriber{'s' * (confirmed > 1)} of {topic.rpartition(':')[2]}.")


def _subscriptions(stack: Deployment, topic: str) -> int | None:
    """Confirmed ones; None where there is no such topic."""
    try:
        found = stack.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    except ClientError as error:
        if error_code(error) not in ("NotFound", "NotFoundException"):
            raise
        return None
    return sum(1 for subscription in found if subscription["SubscriptionArn"].startswith("arn:"))


def _function(alarm: str) -> str:
    """Whose log tells more."""
    return "EnrichProfile" if alarm.startswith(("EnrichProfile", "Worker")) else "PostConfirmation"
