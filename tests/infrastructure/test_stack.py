"""The stack as a whole: no circular dependency, outputs, tags, alarms."""

from __future__ import annotations

import graphlib
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from onramp.observability import NAMESPACE, count
from tests.infrastructure.translation import FUNCTIONS, ROOT, Translation, ref, walk

OUTPUTS = {
    "UsersTableName",
    "UserProfilesTableName",
    "OperationsTableName",
    "EventBusName",
    "ProvisioningQueueUrl",
    "ProvisioningDlqUrl",
    "EventDeliveryDlqUrl",
    "UserPoolId",
    "UserPoolClientId",
    "PostConfirmationFunctionName",
    "EnrichProfileFunctionName",
    "ReconcileFunctionName",
}
CONDITIONS = {
    "CreatesUserPool": {"Fn::Equals": [ref("ExistingUserPoolId"), ""]},
    "HasMoreUserPools": {"Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", ref("AdditionalUserPoolArns")]}, ""]}]},
    "HealsOnSignIn": {"Fn::Equals": [ref("HealOnSignIn"), "true"]},
    "IsProtected": {"Fn::Equals": [ref("DeletionProtection"), "true"]},
    "ReservesPostConfirmation": {"Fn::Not": [{"Fn::Equals": [ref("PostConfirmationReservedConcurrency"), 0]}]},
    "ReservesEnrich": {"Fn::Not": [{"Fn::Equals": [ref("EnrichReservedConcurrency"), 0]}]},
    **{
        condition: {"Fn::Not": [{"Fn::Equals": [ref(parameter), ""]}]}
        for condition, parameter in {
            "HasRevision": "Revision",
            "HasDataKey": "DataKeyArn",
            "HasStripeSecret": "StripeSecretName",
            "HasRevenueCatSecret": "RevenueCatSecretName",
            "HasAlarmTopic": "AlarmTopicArn",
        }.items()
    },
}
# Taggable, but SAM's SQS and Schedule events have no property for tags.
UNTAGGED = {"ReconcileFunctionSchedule", "EnrichProfileFunctionProvisioning"}


def test_no_resource_depends_on_itself(template: Translation) -> None:
    graph = {name: set(needs(resource)) & set(template.resources) for name, resource in template.resources.items()}
    assert "PostConfirmationFunction" not in graph["UserPool"]
    assert "UserPool" in graph["PostConfirmationFunction"]
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


def needs(resource: dict[str, Any]) -> Iterator[str]:
    depends = resource.get("DependsOn", [])
    yield from [depends] if isinstance(depends, str) else depends
    for node in walk(resource["Properties"]):
        if isinstance(target := node.get("Ref"), str):
            yield target
        if target := node.get("Fn::GetAtt"):
            yield target[0] if isinstance(target, list) else target.split(".")[0]
        if text := node.get("Fn::Sub"):
            yield from re.findall(r"\$\{(\w+)", text if isinstance(text, str) else text[0])


def test_every_condition_depends_on_its_own_parameter(template: Translation) -> None:
    assert template.body["Conditions"] == CONDITIONS


def test_the_outputs_are_the_public_contract(template: Translation) -> None:
    assert set(template.body["Outputs"]) == OUTPUTS


@pytest.mark.parametrize("name", sorted(OUTPUTS))
def test_every_output_is_an_ssm_parameter_too(template: Translation, name: str) -> None:
    output, parameter = template.body["Outputs"][name], template[f"{name}Parameter"]
    assert parameter["Name"] == {"Fn::Sub": f"/onramp/${{AWS::StackName}}/{name}"}
    assert parameter["Value"] == output["Value"]
    assert template.resources[f"{name}Parameter"].get("Condition") == output.get("Condition")


def test_every_taggable_resource_has_the_environment_tag(template: Translation) -> None:
    tagged = {name for name, resource in template.resources.items() if environment_tag(resource)}
    taggable = {name for name, resource in template.resources.items() if can_be_tagged(resource["Type"])}
    taggable -= UNTAGGED
    assert tagged == taggable


def can_be_tagged(kind: str) -> bool:
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    return bool(schema.get("tagging", {}).get("taggable", "Tags" in schema["properties"]))


def environment_tag(resource: dict[str, Any]) -> bool:
    tags = resource["Properties"].get("Tags", resource["Properties"].get("UserPoolTags", {}))
    pairs = tags if isinstance(tags, dict) else {tag["Key"]: tag["Value"] for tag in tags}
    return bool(pairs.get("Environment") == ref("Environment"))


def test_every_parameter_has_a_default(template: Translation) -> None:
    assert not [name for name, declared in template.parameters.items() if "Default" not in declared]


class TestAlarms:
    def test_treat_missing_data_as_good_and_notify_the_topic(self, template: Translation) -> None:
        for name, alarm in template.of_type("AWS::CloudWatch::Alarm").items():
            missing_is_breaching = name == "ReconcileMissingAlarm"
            assert alarm["TreatMissingData"] == ("breaching" if missing_is_breaching else "notBreaching")
            assert alarm["AlarmActions"] == {"Fn::If": ["HasAlarmTopic", [ref("AlarmTopicArn")], ref("AWS::NoValue")]}

    @pytest.mark.parametrize("queue", ["ProvisioningDlq", "EventDeliveryDlq"])
    def test_one_dead_letter_is_enough(self, template: Translation, queue: str) -> None:
        alarm = template[f"{queue}Alarm"]
        # NumberOfMessagesSent does not count the messages that SQS itself moves to a DLQ.
        assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/SQS", "ApproximateNumberOfMessagesVisible")
        assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": {"Fn::GetAtt": [queue, "QueueName"]}}]
        assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")

    def test_watch_exactly_the_published_metrics(
        self, template: Translation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """An alarm on another name, or with one dimension more or less, would never fire."""
        monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "any")
        services = {str(template.environment(f)["POWERTOOLS_SERVICE_NAME"]): f for f in FUNCTIONS}
        watched = list(own_metrics(template))
        assert len(watched) >= 8
        for metric in watched:
            ((dimension, service),) = ((d["Name"], d["Value"]) for d in metric["Dimensions"])
            handler = ROOT / "functions" / FUNCTIONS[services[str(service)]] / "handler.py"
            assert f'"{metric["MetricName"]}"' in handler.read_text()
            count(metric["MetricName"], detail="any")
            published = json.loads(capsys.readouterr().out)["_aws"]["CloudWatchMetrics"][0]
            assert published["Namespace"] == NAMESPACE
            assert published["Dimensions"] == [[dimension]]

    def test_a_rejected_signup_does_not_count_as_a_failure(self, template: Translation) -> None:
        queries = {query["Id"]: query for query in template["PostConfirmationFailuresAlarm"]["Metrics"]}
        expression = "FILL(errors, 0) + FILL(throttles, 0) - FILL(rejected, 0)"
        assert queries["failures"]["Expression"] == expression
        assert queries["rejected"]["MetricStat"]["Metric"]["MetricName"] == "SignupRejected"


def own_metrics(template: Translation) -> Iterator[Any]:
    for alarm in template.of_type("AWS::CloudWatch::Alarm").values():
        yield from (node for node in walk(alarm) if node.get("Namespace") == NAMESPACE)
