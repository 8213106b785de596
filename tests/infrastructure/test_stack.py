"""The stack as a whole: no circular dependency, outputs, tags, alarms."""

from __future__ import annotations

import graphlib
import json
import re
import shlex
import tomllib
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
    "SignupHealQueueUrl",
    "SignupHealDlqUrl",
    "UserPoolId",
    "UserPoolClientId",
    "PostConfirmationFunctionName",
    "EnrichProfileFunctionName",
    "HealSignupFunctionName",
    "ReconcileFunctionName",
}
CONDITIONS = {
    "CreatesUserPool": {"Fn::Equals": [ref("ExistingUserPoolId"), ""]},
    "HasMoreUserPools": {"Fn::Not": [{"Fn::Equals": [{"Fn::Join": ["", ref("AdditionalUserPoolArns")]}, ""]}]},
    "HealsOnSignIn": {"Fn::Equals": [ref("HealOnSignIn"), "true"]},
    "IsProtected": {"Fn::Equals": [ref("DeletionProtection"), "true"]},
    "UsesMfa": {"Fn::Not": [{"Fn::Equals": [ref("UserPoolMfa"), "OFF"]}]},
    "ReservesPostConfirmation": {"Fn::Not": [{"Fn::Equals": [ref("PostConfirmationReservedConcurrency"), 0]}]},
    "ReservesEnrich": {"Fn::Not": [{"Fn::Equals": [ref("EnrichReservedConcurrency"), 0]}]},
    **{
        condition: {"Fn::Not": [{"Fn::Equals": [ref(parameter), ""]}]}
        for condition, parameter in {
            "HasRevision": "Revision",
            "HasDataKey": "DataKeyArn",
            "HasSecretsKey": "SecretsKeyArn",
            "HasSesIdentity": "SesIdentityArn",
            "HasStripeSecret": "StripeSecretName",
            "HasRevenueCatSecret": "RevenueCatSecretName",
            "HasAlarmTopic": "AlarmTopicArn",
        }.items()
    },
}
# CloudFormation cannot tag them, so the Environment tag does not reach them.
UNTAGGABLE = {
    "AWS::Cognito::UserPoolClient",
    "AWS::Events::Archive",
    "AWS::Lambda::Alias",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Version",
    "AWS::SQS::QueuePolicy",
}


def test_there_is_no_circular_dependency(template: Translation) -> None:
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


def test_every_condition_reads_its_own_parameter(template: Translation) -> None:
    assert template.body["Conditions"] == CONDITIONS


def test_the_outputs_are_the_public_contract(template: Translation) -> None:
    assert set(template.body["Outputs"]) == OUTPUTS


def test_the_only_ssm_parameter_is_the_one_that_the_user_commands_read(template: Translation) -> None:
    (parameter,) = template.of_type("AWS::SSM::Parameter").values()
    assert parameter["Name"] == {"Fn::Sub": "/onramp/${AWS::StackName}/AllowedRoles"}
    assert parameter["Value"] == {"Fn::Join": [",", ref("AllowedRoles")]}


def test_every_environment_sets_the_environment_tag_on_the_stack() -> None:
    environments = tomllib.loads((ROOT / "samconfig.toml").read_text())
    del environments["version"]
    assert environments
    for environment in environments.values():
        options = environment["deploy"]["parameters"]
        tags = dict(pair.split("=") for pair in shlex.split(options["tags"]))
        parameters = dict(pair.split("=") for pair in options["parameter_overrides"])
        assert tags["Environment"] == parameters["Environment"]


def test_the_stack_tag_reaches_everything_that_can_be_tagged(template: Translation) -> None:
    kinds = {resource["Type"] for resource in template.resources.values()}
    assert {kind for kind in kinds if not can_be_tagged(kind)} == UNTAGGABLE


def test_no_resource_has_another_environment_tag_than_the_stack(template: Translation) -> None:
    own = {name: tags for name, resource in template.resources.items() if (tags := own_tags(resource))}
    assert set(own) == set(FUNCTIONS)
    assert all(tags["Environment"] == ref("Environment") for tags in own.values())


def can_be_tagged(kind: str) -> bool:
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    return bool(schema.get("tagging", {}).get("taggable", "Tags" in schema["properties"]))


def own_tags(resource: dict[str, Any]) -> dict[str, Any]:
    tags = resource["Properties"].get("Tags", resource["Properties"].get("UserPoolTags", {}))
    return tags if isinstance(tags, dict) else {tag["Key"]: tag["Value"] for tag in tags}


def test_every_parameter_has_a_default(template: Translation) -> None:
    assert not [name for name, declared in template.parameters.items() if "Default" not in declared]


class TestAlarms:
    def test_treat_missing_data_as_ok_except_one_and_notify_the_topic(self, template: Translation) -> None:
        topic = {"Fn::If": ["HasAlarmTopic", [ref("AlarmTopicArn")], ref("AWS::NoValue")]}
        for name, alarm in template.of_type("AWS::CloudWatch::Alarm").items():
            missing_is_failure = name == "ReconcileMissingAlarm"
            assert alarm["TreatMissingData"] == ("missing" if missing_is_failure else "notBreaching")
            assert alarm["AlarmActions"] == topic
            assert alarm.get("InsufficientDataActions") == (topic if missing_is_failure else None)

    def test_a_first_deployment_is_silent(self, template: Translation) -> None:
        """`breaching` would put a new alarm into ALARM before the first run; INSUFFICIENT_DATA is its first state."""
        alarms = template.of_type("AWS::CloudWatch::Alarm")
        assert not [name for name, alarm in alarms.items() if alarm["TreatMissingData"] == "breaching"]

    @pytest.mark.parametrize("queue", ["ProvisioningDlq", "EventDeliveryDlq", "SignupHealDlq"])
    def test_one_dead_letter_is_enough(self, template: Translation, queue: str) -> None:
        alarm = template[f"{queue}Alarm"]
        # NumberOfMessagesSent does not count the messages that SQS moves into a DLQ.
        assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/SQS", "ApproximateNumberOfMessagesVisible")
        assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": {"Fn::GetAtt": [queue, "QueueName"]}}]
        assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")

    def test_a_stalled_worker_is_noticed_within_an_hour(self, template: Translation) -> None:
        alarm = template["ProvisioningQueueAgeAlarm"]
        assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/SQS", "ApproximateAgeOfOldestMessage")
        assert alarm["Dimensions"] == [
            {"Name": "QueueName", "Value": {"Fn::GetAtt": ["ProvisioningQueue", "QueueName"]}}
        ]
        assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (3600, "GreaterThanThreshold")
        assert alarm["EvaluationPeriods"] == 1

    def test_a_throttled_worker_is_noticed(self, template: Translation) -> None:
        alarm = template["EnrichProfileThrottlesAlarm"]
        assert (alarm["Namespace"], alarm["MetricName"]) == ("AWS/Lambda", "Throttles")
        assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": ref("EnrichProfileFunction")}]
        assert (alarm["Threshold"], alarm["Statistic"]) == (0, "Sum")

    def test_watch_exactly_what_the_functions_publish(
        self, template: Translation, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
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

    def test_a_failed_write_rings_at_once_by_the_triggers_own_metric(self, template: Translation) -> None:
        alarm = template["PostConfirmationFailuresAlarm"]
        assert (alarm["Namespace"], alarm["MetricName"]) == (NAMESPACE, "SignupFailed")
        assert (alarm["EvaluationPeriods"], alarm["Threshold"]) == (1, 0)

    def test_neither_a_rejected_nor_a_failed_signup_is_a_crash_of_the_trigger(self, template: Translation) -> None:
        alarm = template["PostConfirmationErrorsAlarm"]
        queries = {query["Id"]: query for query in alarm["Metrics"]}
        assert queries["crashes"]["Expression"] == "FILL(errors, 0) - FILL(rejected, 0) - FILL(failed, 0)"
        names = {name: queries[name]["MetricStat"]["Metric"]["MetricName"] for name in ("errors", "rejected", "failed")}
        assert names == {"errors": "Errors", "rejected": "SignupRejected", "failed": "SignupFailed"}

    @pytest.mark.parametrize("name", ["PostConfirmationErrorsAlarm", "PostConfirmationThrottlesAlarm"])
    def test_metrics_that_arrive_by_different_ways_need_two_periods(self, template: Translation, name: str) -> None:
        alarm = template[name]
        assert (alarm["EvaluationPeriods"], alarm.get("DatapointsToAlarm", 2)) == (2, 2)


def own_metrics(template: Translation) -> Iterator[Any]:
    for alarm in template.of_type("AWS::CloudWatch::Alarm").values():
        yield from (node for node in walk(alarm) if node.get("Namespace") == NAMESPACE)
