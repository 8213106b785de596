"""Metrics in function logs become CloudWatch metrics, and a replay reaches only the rules that it names."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from onramp.local.gateway.embedded_metrics import metrics_in
from onramp.local.stack import LocalStack
from tests.deployed import DeployedPipeline, eventually, unique_email

LINE = json.dumps(
    {
        "_aws": {
            "Timestamp": 1,
            "CloudWatchMetrics": [
                {"Namespace": "Onramp", "Dimensions": [["service"]], "Metrics": [{"Name": "Retried", "Unit": "Count"}]}
            ],
        },
        "service": "worker",
        "code": "stripe_500",
        "Retried": [2.0],
    }
)


def test_a_line_of_the_embedded_metric_format_is_parsed_and_every_other_line_ignored() -> None:
    assert list(metrics_in(LINE)) == [("Onramp", "Retried", {"service": "worker"}, [2.0])]
    for line in ("", "START RequestId: 1", '{"message": "signed up"}', '{"_aws"', '{"_aws": {}}', '["_aws"]'):
        assert list(metrics_in(line)) == []


def test_a_metric_in_a_function_log_becomes_a_cloudwatch_metric(stack: LocalStack) -> None:
    deployed = DeployedPipeline(stack)
    deployed.join(unique_email("counted"))
    metric = {
        "Namespace": "Onramp",
        "MetricName": "SignedUp",
        "Dimensions": [{"Name": "service", "Value": "onramp-local-PostConfirmation"}],
    }
    now = datetime.now(UTC)

    def values() -> list[float]:
        query = {"Id": "signups", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Sum"}}
        (result,) = stack.client("cloudwatch").get_metric_data(
            MetricDataQueries=[query],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(hours=1),
        )["MetricDataResults"]
        return list(result["Values"])

    assert sum(eventually(values, what="SignedUp")) >= 1


def test_a_replay_reaches_only_the_rules_that_it_names(stack: LocalStack) -> None:
    deployed = DeployedPipeline(stack)
    rules_before = _rules(stack)
    listeners = [deployed.subscribe("UserSignedUp"), deployed.subscribe("UserSignedUp")]
    first, second = sorted(_rules(stack) - rules_before)
    sub = deployed.join(unique_email("replayed"))
    for events_of in listeners:
        eventually(lambda events_of=events_of: events_of(sub))  # type: ignore[misc]
    _replay(stack, f"to-one-{sub}", first)
    _replay(stack, f"to-both-{sub}", first, second)

    def all_received() -> bool:
        return sorted(len(events_of(sub)) for events_of in listeners) == [2, 3]

    eventually(all_received, what="one replay at one listener, two at the other")
    names = [event.get("replay-name") for events_of in listeners for event in events_of(sub)]
    assert sorted(filter(None, names)) == [f"to-both-{sub}", f"to-both-{sub}", f"to-one-{sub}"]


def _rules(stack: LocalStack) -> set[str]:
    rules = stack.client("events").list_rules(EventBusName=stack.outputs["EventBusName"])["Rules"]
    return {rule["Arn"] for rule in rules}


def _replay(stack: LocalStack, name: str, *rules: str) -> None:
    events, now = stack.client("events"), datetime.now(UTC)
    bus = events.describe_event_bus(Name=stack.outputs["EventBusName"])["Arn"]
    (archive,) = events.list_archives(EventSourceArn=bus)["Archives"]
    events.start_replay(
        ReplayName=name,
        EventSourceArn=events.describe_archive(ArchiveName=archive["ArchiveName"])["ArchiveArn"],
        EventStartTime=now - timedelta(hours=1),
        EventEndTime=now + timedelta(minutes=1),
        Destination={"Arn": archive["EventSourceArn"], "FilterArns": list(rules)},
    )
