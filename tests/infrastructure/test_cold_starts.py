"""TriggerColdStart: nothing, a snapshot or initialized environments; `wiring/restore.py` completes the snapshot."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from onramp.local.localize import localize
from onramp.ops.doctor.template import DeployedTemplate
from tests.infrastructure.translation import Translation, ref

ALIAS = "PostConfirmationFunctionAliaslive"
PROVISIONED = "ProvisionedConcurrencyConfig"


def resolved(template: Translation, logical_id: str, **parameters: str) -> dict[str, Any]:
    """The properties that CloudFormation sees with these parameters."""
    values = {name: str(declared.get("Default", "")) for name, declared in template.parameters.items()} | parameters
    stack: Any = SimpleNamespace(name="onramp", parameters=values, physical_id=lambda name: name)
    body = template.resources[logical_id]["Properties"]
    kept = {key: value for key, value in body.items() if key in ("SnapStart", PROVISIONED)}
    resources = {logical_id: {"Properties": kept}}
    return DeployedTemplate(stack, {**template.body, "Resources": resources}).properties(logical_id)


def settings(template: Translation, **parameters: str) -> tuple[Any, Any]:
    """SnapStart of the function, provisioned concurrency of its alias."""
    function = resolved(template, "PostConfirmationFunction", **parameters)
    return function["SnapStart"]["ApplyOn"], resolved(template, ALIAS, **parameters).get(PROVISIONED)


def test_a_deployment_without_the_parameter_changes_nothing(template: Translation) -> None:
    assert template.default("TriggerColdStart") == "none"
    assert settings(template) == ("None", None)


def test_a_snapshot_is_taken_of_published_versions(template: Translation) -> None:
    assert settings(template, TriggerColdStart="snap-start") == ("PublishedVersions", None)


def test_the_alias_keeps_the_wanted_number_of_environments(template: Translation) -> None:
    wanted = settings(template, TriggerColdStart="provisioned", TriggerProvisionedConcurrency="7")
    assert wanted == ("None", {"ProvisionedConcurrentExecutions": "7"})


def test_the_parameter_has_no_other_value(template: Translation) -> None:
    """Lambda refuses a version with both."""
    assert template.parameters["TriggerColdStart"]["AllowedValues"] == ["none", "snap-start", "provisioned"]


@pytest.mark.parametrize("value", ["snap-start", "provisioned"])
def test_only_the_trigger_has_it(template: Translation, value: str) -> None:
    """A user waits for the trigger only."""
    others = [
        name
        for kind in ("AWS::Lambda::Function", "AWS::Lambda::Alias")
        for name, properties in template.of_type(kind).items()
        if {"SnapStart", PROVISIONED} & properties.keys()
    ]
    assert others == ["PostConfirmationFunction", ALIAS]
    assert settings(template, TriggerColdStart=value) != settings(template)


def test_a_snapshot_needs_a_runtime_that_supports_it(template: Translation) -> None:
    rule = template.body["Rules"]["SnapStartNeedsItsRuntime"]
    assert rule["RuleCondition"] == {"Fn::Equals": [ref("TriggerColdStart"), "snap-start"]}
    (assertion,) = rule["Assertions"]
    older = [f"python3.{minor}" for minor in range(8, 12)]
    assert assertion["Assert"] == {"Fn::Not": [{"Fn::Contains": [older, ref("Runtime")]}]}
    assert template.default("Runtime") not in older


def test_codedeploy_may_read_the_provisioned_concurrency(template: Translation) -> None:
    (policy,) = template["MoveAliasRole"]["Policies"]
    actions = [action for grant in policy["PolicyDocument"]["Statement"] for action in grant["Action"]]
    assert "lambda:GetProvisionedConcurrencyConfig" in actions


def test_the_emulator_gets_neither(template: Translation) -> None:
    local = localize(template.body, {})["Resources"]
    assert "SnapStart" not in local["PostConfirmationFunction"]["Properties"]
    assert PROVISIONED not in local[ALIAS]["Properties"]
