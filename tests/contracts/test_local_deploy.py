"""The deployment to the emulator: what it removes, what it creates through the API, and its errors."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from onramp.local.deploy import deploy
from onramp.local.errors import DeployError, StackFailedError, UnknownResourceTypeError
from onramp.local.localize import LEFT_OUT, localize
from onramp.local.parameters import SECRETS
from onramp.local.stack import LocalStack
from onramp.local.translate import load_template, translate
from tests.contracts.toy import TEMPLATE


def invoke(toy: LocalStack, event: dict[str, Any]) -> Any:
    response = toy.client("lambda").invoke(
        FunctionName=toy.outputs["FunctionName"], Qualifier="live", Payload=json.dumps(event).encode()
    )
    return json.loads(response["Payload"].read())


def changed_template(folder: Path, pattern: str, replacement: str) -> Path:
    """A copy of the toy project with one replacement in its template."""
    shutil.copytree(TEMPLATE.parent, folder / "toy")
    template = folder / "toy" / TEMPLATE.name
    text, count = re.subn(pattern, replacement, template.read_text(), count=1, flags=re.MULTILINE)
    assert count == 1
    template.write_text(text)
    return template


@pytest.fixture
def localized() -> dict[str, Any]:
    sam = load_template(TEMPLATE)
    return localize(translate(sam, {}, {"Toy": "s3://bucket/toy.zip"}, "eu-west-1"), {"BatchSize": "7"})


def test_outputs_are_those_of_the_template_without_removed_resources(toy: LocalStack) -> None:
    declared = set(load_template(TEMPLATE)["Outputs"])
    assert set(toy.outputs) == declared - {"RegistryArn"}


def test_parameters_reach_the_function_and_numbers_the_mapping(toy: LocalStack) -> None:
    config = toy.client("lambda").get_function_configuration(FunctionName=toy.outputs["FunctionName"])
    assert config["Environment"]["Variables"]["GREETING"] == "good day"
    (mapping,) = toy.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert mapping["BatchSize"] == 5


def test_the_archive_has_its_pattern_and_retention(toy: LocalStack) -> None:
    (archive,) = toy.client("events").list_archives(EventSourceArn=toy.outputs["BusArn"])["Archives"]
    described = toy.client("events").describe_archive(ArchiveName=archive["ArchiveName"])
    assert json.loads(described["EventPattern"]) == {"source": ["toy"], "account": ["000000000000"]}
    assert described["RetentionDays"] == 3


def test_the_fake_keys_are_secrets(toy: LocalStack) -> None:
    for name, value in SECRETS.items():
        parameter = toy.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]
        assert (parameter["Type"], parameter["Value"]) == ("SecureString", value)


def test_functions_ship_onramp_without_local_and_ops(toy: LocalStack) -> None:
    packages = invoke(toy, {"packages": True})
    assert {"domain", "adapters"} <= set(packages)
    assert not {"local", "ops"} & set(packages)


def test_a_function_has_only_the_permissions_of_its_role(toy: LocalStack) -> None:
    detail = {"Source": "toy", "DetailType": "t", "Detail": "{}", "EventBusName": toy.outputs["BusName"]}
    emit = {"service": "events", "operation": "put_events", "arguments": {"Entries": [detail]}}
    assert invoke(toy, {"call": emit}) == 200
    receive = {"service": "sqs", "operation": "receive_message", "arguments": {"QueueUrl": toy.outputs["QueueUrl"]}}
    assert "AccessDenied" in invoke(toy, {"call": receive})


def test_only_the_listed_types_and_metric_math_are_removed(localized: dict[str, Any]) -> None:
    translated = translate(load_template(TEMPLATE), {}, {"Toy": "s3://bucket/toy.zip"}, "eu-west-1")
    removed = set(translated["Resources"]) - set(localized["Resources"])
    assert removed == {"Registry", "Archive", "MathAlarm"}
    assert {"AWS::EventSchemas::Registry", "AWS::Events::Archive"} <= set(LEFT_OUT)


def test_conditions_that_the_emulator_does_not_support_are_removed(localized: dict[str, Any]) -> None:
    text = json.dumps(localized)
    assert "events:source" not in text
    assert "aws:SecureTransport" not in text
    (statement,) = localized["Resources"]["InboxPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Allow"


def test_numbers_for_the_event_source_mapping_are_numbers(localized: dict[str, Any]) -> None:
    mappings = [r for r in localized["Resources"].values() if r["Type"] == "AWS::Lambda::EventSourceMapping"]
    assert [mapping["Properties"]["BatchSize"] for mapping in mappings] == [7]


def test_an_unsupported_type_fails_the_deployment_and_is_named(toy: LocalStack, tmp_path: Path) -> None:
    template = changed_template(tmp_path, r"Resources:", "Resources:\n  Moon: {Type: AWS::Moon::Base}")
    with pytest.raises(UnknownResourceTypeError, match="AWS::Moon::Base"):
        deploy(toy, template, stack_name="toy-on-the-moon")


def test_the_error_of_a_failed_stack_contains_the_reasons_of_its_events(toy: LocalStack, tmp_path: Path) -> None:
    template = changed_template(
        tmp_path, r"Resources:", "Resources:\n  Bad: {Type: AWS::SSM::Parameter, Properties: {Type: X}}"
    )
    with pytest.raises(DeployError) as error:
        deploy(toy, template, stack_name="toy-that-fails")
    assert isinstance(error.value, StackFailedError)
    assert any(reason.startswith("Bad: ") for reason in error.value.reasons)


@pytest.mark.parametrize(
    ("pattern", "replacement", "message"),
    [
        (r"Handler: functions.toy.handler.handler", "Handler: functions.gone.handler.handler", "no folder"),
        (r"Type: SQS$", "Type: Pigeon", "not valid SAM"),
        (r"\A", "{", "not YAML"),
    ],
)
def test_a_broken_template_is_one_sentence(
    toy: LocalStack, tmp_path: Path, pattern: str, replacement: str, message: str
) -> None:
    with pytest.raises(DeployError, match=message):
        deploy(toy, changed_template(tmp_path, pattern, replacement), stack_name="toy-that-is-broken")


def test_a_missing_template_is_one_sentence(toy: LocalStack, tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="cannot be read"):
        deploy(toy, tmp_path / "template.yaml")
