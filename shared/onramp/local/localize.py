"""Removes from the translated template what the emulator does not support, each with its reason.

Nothing else is removed: an unsupported type that is not listed here fails the deployment. The static template tests
cover everything that is removed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from onramp.local.translate import Template

LEFT_OUT = {
    "AWS::EventSchemas::Registry": "documentation for consumers; the emulator has no schema registry",
    "AWS::EventSchemas::Schema": "the same",
    "AWS::Events::Archive": "created through the API after the deployment: see archives.py",
    "AWS::CodeDeploy::Application": "a local alias moves at once",
    "AWS::CodeDeploy::DeploymentGroup": "the same",
}
UNSUPPORTED_CONDITION_KEYS = (
    "events:source",
    "events:detail-type",
    "dynamodb:LeadingKeys",
    "dynamodb:Attributes",
    "dynamodb:ReturnValues",
)
"""The emulator's IAM evaluator has no values for these keys: an Allow with such a condition applies never or always."""
ONLY_CODEDEPLOY_USES = ("CheckVersionFunction", "CheckVersionRole", "CheckVersionLogGroup", "MoveAliasRole")
NO_COLD_STARTS = {
    "AWS::Lambda::Function": "SnapStart",
    "AWS::Lambda::Alias": "ProvisionedConcurrencyConfig",
}
"""Resource type -> the property that shortens its cold starts; the emulator takes no snapshots."""
UNCONSTRAINED = {
    "VisibilityTimeoutSeconds": "a test waits until a message returns",
    "StripeBaseUrl": "the fake provider has no TLS",
    "RevenueCatBaseUrl": "the same",
}
"""Parameters that may have values here which the template refuses on AWS."""


def localize(template: Template, parameters: Mapping[str, str]) -> Template:
    local = copy.deepcopy(template)
    removed = {
        logical_id
        for logical_id, resource in local["Resources"].items()
        if resource["Type"] in LEFT_OUT or logical_id in ONLY_CODEDEPLOY_USES or _is_metric_math(resource)
    }
    for logical_id in removed:
        del local["Resources"][logical_id]
    for resource in local["Resources"].values():
        _remove_dependencies(resource, removed)
        resource.pop("UpdatePolicy", None)  # it names CodeDeploy's resources
        resource.get("Properties", {}).pop(NO_COLD_STARTS.get(resource["Type"]), None)
        if resource["Type"] == "AWS::Lambda::EventSourceMapping":  # the emulator's poller needs numbers, not strings
            resource["Properties"] = _with_numbers(resource["Properties"], _numbers(template, parameters))
    for name in UNCONSTRAINED.keys() & local.get("Parameters", {}).keys():
        for constraint in ("AllowedPattern", "MinValue"):
            local["Parameters"][name].pop(constraint, None)
    local["Outputs"] = {
        name: output for name, output in local.get("Outputs", {}).items() if not _mentions(output, removed)
    }
    _change_statements(local, _without_unsupported_conditions)
    _change_statements(local, _with_batch_sends)
    return local


def _numbers(template: Template, parameters: Mapping[str, str]) -> dict[str, int]:
    values = {
        name: str(parameters.get(name, declared.get("Default", "")))
        for name, declared in template.get("Parameters", {}).items()
    }
    return {name: int(value) for name, value in values.items() if value.isdecimal()}


def _with_numbers(value: Any, numbers: Mapping[str, int]) -> Any:
    if isinstance(value, dict):
        if value.get("Ref") in numbers:
            return numbers[value["Ref"]]
        return {key: _with_numbers(item, numbers) for key, item in value.items()}
    return [_with_numbers(item, numbers) for item in value] if isinstance(value, list) else value


def _is_metric_math(resource: dict[str, Any]) -> bool:
    return resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource.get("Properties", {})


def _remove_dependencies(resource: dict[str, Any], removed: set[str]) -> None:
    depends = resource.get("DependsOn", [])
    names = [depends] if isinstance(depends, str) else depends
    resource["DependsOn"] = [name for name in names if name not in removed]


def _mentions(value: Any, names: set[str]) -> bool:
    if isinstance(value, dict):
        attribute = value.get("Fn::GetAtt")
        target = attribute[0] if isinstance(attribute, list) else str(attribute).partition(".")[0]
        return value.get("Ref") in names or target in names or any(_mentions(v, names) for v in value.values())
    return isinstance(value, list) and any(_mentions(item, names) for item in value)


def _change_statements(node: Any, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
    """Replaces every policy statement below `node` by `change(statement)`; None removes it."""
    if isinstance(node, list):
        for item in node:
            _change_statements(item, change)
    elif isinstance(node, dict):
        statements = node.get("Statement")
        if isinstance(statements, list):
            changed = (change(statement) for statement in statements)
            node["Statement"] = [statement for statement in changed if statement is not None]
        for value in node.values():
            _change_statements(value, change)


def _without_unsupported_conditions(statement: dict[str, Any]) -> dict[str, Any] | None:
    """Also removes the Deny on plain http: local clients use no TLS."""
    if statement.get("Effect") == "Deny" and _mentions_key(statement, "aws:SecureTransport"):
        return None
    conditions = {
        operator: supported
        for operator, tests in statement.get("Condition", {}).items()
        if (supported := {key: value for key, value in tests.items() if key not in UNSUPPORTED_CONDITION_KEYS})
    }
    rest = {name: value for name, value in statement.items() if name != "Condition"}
    return {**rest, "Condition": conditions} if conditions else rest


def _with_batch_sends(statement: dict[str, Any]) -> dict[str, Any]:
    """AWS requires `sqs:SendMessage` for SendMessageBatch; the emulator requires an action with the call's name."""
    actions = statement.get("Action", [])
    names = [actions] if isinstance(actions, str) else actions
    return {**statement, "Action": [*names, "sqs:SendMessageBatch"]} if "sqs:SendMessage" in names else statement


def _mentions_key(statement: dict[str, Any], key: str) -> bool:
    return any(key in tests for tests in statement.get("Condition", {}).values())
