"""When each alarm rings, what it watches, and that it notifies the topic."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from onramp.observability import NAMESPACE, count
from tests.infrastructure.translation import FUNCTIONS, NO_VALUE, ROOT, Translation, if_else, ref, walk

TOPIC = if_else("HasAlarmTopic", [ref("AlarmTopicArn")], NO_VALUE)
# Neither a rejected nor a failed signup is a crash of the trigger.
CRASHES = "FILL(AWS/Lambda Errors, 0) - FILL(Onramp SignupRejected, 0) - FILL(Onramp SignupFailed, 0)"
HOUR, DAY = 3600, 86_400


class Rule(NamedTuple):
    """Rings where `statistic` of `metric` is above `above` in `periods` consecutive periods of five minutes."""

    metric: str
    of: str
    statistic: str = "Sum"
    above: int = 0
    periods: int = 1


VISIBLE = "AWS/SQS ApproximateNumberOfMessagesVisible"
"""NumberOfMessagesSent does not count the messages that SQS moves into a DLQ."""
RULES = {
    "ProvisioningDlqAlarm": Rule(VISIBLE, "ProvisioningDlq", "Maximum"),
    "EventDeliveryDlqAlarm": Rule(VISIBLE, "EventDeliveryDlq", "Maximum"),
    "EventBusDlqAlarm": Rule(VISIBLE, "EventBusDlq", "Maximum"),
    "SignupHealDlqAlarm": Rule(VISIBLE, "SignupHealDlq", "Maximum"),
    "ProvisioningQueueAgeAlarm": Rule(
        "AWS/SQS ApproximateAgeOfOldestMessage", "ProvisioningQueue", "Maximum", above=HOUR
    ),
    "PostConfirmationFailuresAlarm": Rule("Onramp SignupFailed", "PostConfirmation"),
    # These come by two ways, and one may be a period late.
    "PostConfirmationErrorsAlarm": Rule(CRASHES, "PostConfirmation PostConfirmationFunction", periods=2),
    "PostConfirmationThrottlesAlarm": Rule("AWS/Lambda Throttles", "PostConfirmationFunction", periods=2),
    "SignupRejectedAlarm": Rule("Onramp SignupRejected", "PostConfirmation", above=9),
    "EmitFailedAlarm": Rule("Onramp EmitFailed", "PostConfirmation", periods=3),
    "HealSignupErrorsAlarm": Rule("AWS/Lambda Errors", "HealSignupFunction"),
    "HealSignupBugAlarm": Rule("Onramp SignupHealBug", "HealSignup"),
    "EnrichProfileErrorsAlarm": Rule("AWS/Lambda Errors", "EnrichProfileFunction"),
    "EnrichProfileThrottlesAlarm": Rule("AWS/Lambda Throttles", "EnrichProfileFunction", periods=3),
    "WorkerBugAlarm": Rule("Onramp WorkerBug", "EnrichProfile"),
    "ProviderKeyRejectedAlarm": Rule("Onramp ProviderKeyRejected", "EnrichProfile"),
    "SecretUnreadableAlarm": Rule("Onramp SecretUnreadable", "EnrichProfile"),
    "RetriesExhaustedAlarm": Rule("Onramp RetriesExhausted", "EnrichProfile"),
    "PermanentFailureAlarm": Rule("Onramp PermanentFailure", "EnrichProfile"),
    "TriggerDetachedAlarm": Rule("Onramp TriggerDetached", "Reconcile", "Maximum"),
    "HealedAlarm": Rule("Onramp Healed", "Reconcile"),
    "SweepAgeAlarm": Rule("Onramp SweepAgeSeconds", "Reconcile", "Maximum", above=2 * DAY),
    "OldestOwedAlarm": Rule("Onramp OldestOwedSeconds", "Reconcile", "Maximum", above=DAY),
}
NO_RUN = "ReconcileMissingAlarm"
"""The one alarm that rings where a metric is too low, or missing."""


def alarms(template: Translation) -> dict[str, dict[str, Any]]:
    return template.of_type("AWS::CloudWatch::Alarm")


def rule_of(alarm: dict[str, Any]) -> Rule:
    """Every setting of the alarm that decides when it rings."""
    periods = alarm["EvaluationPeriods"]
    assert alarm.get("DatapointsToAlarm", periods) == periods
    assert alarm["TreatMissingData"] == "notBreaching"
    above = {"GreaterThanThreshold": 0, "GreaterThanOrEqualToThreshold": -1}[alarm["ComparisonOperator"]]
    metric, of, statistic = _single(alarm) if "MetricName" in alarm else _expression(alarm["Metrics"])
    return Rule(metric, of, statistic, alarm["Threshold"] + above, periods)


def _single(alarm: dict[str, Any]) -> tuple[str, str, str]:
    return _metric(alarm, alarm["Statistic"], alarm["Period"])


def _expression(queries: list[dict[str, Any]]) -> tuple[str, str, str]:
    """The expression with the names of its metrics, all that they watch, and their statistic."""
    (expression,) = (query["Expression"] for query in queries if query.get("ReturnData", True))
    watched, statistics = set(), set()
    for query in queries:
        if stat := query.get("MetricStat"):
            name, of, statistic = _metric(stat["Metric"], stat["Stat"], stat["Period"])
            expression = expression.replace(f"FILL({query['Id']},", f"FILL({name},")
            watched.add(of)
            statistics.add(statistic)
    (statistic,) = statistics
    return expression, " ".join(sorted(watched)), statistic


def _metric(metric: dict[str, Any], statistic: str, period: int) -> tuple[str, str, str]:
    assert period == 300
    (dimension,) = metric["Dimensions"]
    return f"{metric['Namespace']} {metric['MetricName']}", _watched(dimension["Value"]), statistic


def _watched(value: dict[str, Any]) -> str:
    """The queue or function, or the function under whose name the code publishes."""
    if "Fn::Sub" in value:
        return str(value["Fn::Sub"]).removeprefix("${AWS::StackName}-")
    queue = value.get("Fn::GetAtt", ["", "QueueName"])
    assert queue[1] == "QueueName"
    return str(queue[0] or value["Ref"])


def test_every_alarm_has_exactly_this_rule(template: Translation) -> None:
    rules = {name: rule_of(alarm) for name, alarm in alarms(template).items() if name != NO_RUN}
    assert rules == RULES


def test_the_alarm_on_missing_runs(template: Translation) -> None:
    """`breaching` would put it into ALARM before the first run; INSUFFICIENT_DATA is the first state of an alarm."""
    alarm = template[NO_RUN]
    assert alarm["TreatMissingData"] == "missing"
    assert alarm["InsufficientDataActions"] == TOPIC
    assert _single(alarm) == ("Onramp ReconcileCompleted", "Reconcile", "Sum")
    assert (alarm["ComparisonOperator"], alarm["Threshold"], alarm["EvaluationPeriods"]) == ("LessThanThreshold", 1, 3)
    assert "DatapointsToAlarm" not in alarm


def test_every_alarm_notifies_the_topic(template: Translation) -> None:
    for name, alarm in alarms(template).items():
        assert alarm["AlarmActions"] == TOPIC, name
        assert alarm.get("ActionsEnabled", True) is True, name
        assert name == NO_RUN or "InsufficientDataActions" not in alarm, name


def test_they_watch_exactly_what_the_functions_publish(
    template: Translation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An alarm on another name or with other dimensions would never fire."""
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "any")
    services = {str(template.environment(f)["POWERTOOLS_SERVICE_NAME"]): f for f in FUNCTIONS}
    watched = list(own_metrics(template))
    assert len(watched) >= 8
    for metric in watched:
        ((dimension, service),) = ((d["Name"], d["Value"]) for d in metric["Dimensions"])
        function = FUNCTIONS[services[str(service)]]
        sources = [ROOT / "functions" / function / "handler.py"]
        if function == "enrich_profile":  # results and errors carry the name under which the worker counts them
            sources += [ROOT / "shared/onramp" / name for name in ("domain/errors.py", "usecases/messages.py")]
        assert any(f'"{metric["MetricName"]}"' in source.read_text() for source in sources)
        count(metric["MetricName"], detail="any")
        published = json.loads(capsys.readouterr().out)["_aws"]["CloudWatchMetrics"][0]
        assert published["Namespace"] == NAMESPACE
        assert published["Dimensions"] == [[dimension]]


def own_metrics(template: Translation) -> Iterator[Any]:
    for alarm in alarms(template).values():
        yield from (node for node in walk(alarm) if node.get("Namespace") == NAMESPACE)
