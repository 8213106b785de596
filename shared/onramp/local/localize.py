"""What the emulator cannot do is taken out of the translated template here, each with its reason. Nothing else is:
a type that is not listed fails the deployment. The static template tests look at everything that goes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from onramp.local.translate import Template

LEFT_OUT = {
    "AWS::EventSchemas::Registry": "documentation for consumers; no schema registry in the emulator",
    "AWS::EventSchemas::Schema": "the same",
    "AWS::Events::Archive": "made by API after the deployment: see deploy.py",
    "AWS::CodeDeploy::Application": "aliases move at once on a laptop",
    "AWS::CodeDeploy::DeploymentGroup": "the same",
}
UNSEEN_CONDITION_KEYS = ("events:source", "events:detail-type", "dynamodb:LeadingKeys")
"""The emulator's IAM evaluator never gets values for these: an Allow under them would never apply."""


def localize(template: Template, parameters: Mapping[str, str]) -> Template:
    local = copy.deepcopy(template)
    gone = {
        logical_id
        for logical_id, resource in local["Resources"].items()
        if resource["Type"] in LEFT_OUT or _is_metric_math(resource)
    }
    for logical_id in gone:
        del local["Resources"][logical_id]
    for resource in local["Resources"].values():
        _forget(resource, gone)
        if resource["Type"] == "AWS::Lambda::EventSourceMapping":  # its poller does not read numbers from text
            resource["Properties"] = _with_numbers(resource["Properties"], _numbers(template, parameters))
    local["Outputs"] = {
        name: output for name, output in local.get("Outputs", {}).items() if not _mentions(output, gone)
    }
    _each_statement(local, _without_unseen_conditions)
    _each_statement(local, _with_batch_sends)
    return local


def _numbers(template: Template, parameters: Mapping[str, str]) -> dict[str, int]:
    return {
        name: int(parameters.get(name, declared.get("Default", 0)))
        for name, declared in template.get("Parameters", {}).items()
        if declared["Type"] == "Number"
    }


def _with_numbers(value: Any, numbers: Mapping[str, int]) -> Any:
    if isinstance(value, dict):
        if value.get("Ref") in numbers:
            return numbers[value["Ref"]]
        return {key: _with_numbers(item, numbers) for key, item in value.items()}
    return [_with_numbers(item, numbers) for item in value] if isinstance(value, list) else value


def _is_metric_math(resource: dict[str, Any]) -> bool:
    return resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource.get("Properties", {})


def _forget(resource: dict[str, Any], gone: set[str]) -> None:
    depends = resource.get("DependsOn", [])
    names = [depends] if isinstance(depends, str) else depends
    resource["DependsOn"] = [name for name in names if name not in gone]


def _mentions(value: Any, names: set[str]) -> bool:
    if isinstance(value, dict):
        attribute = value.get("Fn::GetAtt")
        target = attribute[0] if isinstance(attribute, list) else str(attribute).partition(".")[0]
        return value.get("Ref") in names or target in names or any(_mentions(v, names) for v in value.values())
    return isinstance(value, list) and any(_mentions(item, names) for item in value)


def _each_statement(node: Any, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
    """Apply `change` to every policy statement below `node`; None takes it out."""
    if isinstance(node, list):
        for item in node:
            _each_statement(item, change)
    elif isinstance(node, dict):
        statements = node.get("Statement")
        if isinstance(statements, list):
            changed = (change(statement) for statement in statements)
            node["Statement"] = [statement for statement in changed if statement is not None]
        for value in node.values():
            _each_statement(value, change)


def _without_unseen_conditions(statement: dict[str, Any]) -> dict[str, Any] | None:
    """Also drops the Deny on plain http: loopback clients speak nothing else."""
    if statement.get("Effect") == "Deny" and _mentions_key(statement, "aws:SecureTransport"):
        return None
    conditions = {
        operator: kept
        for operator, tests in statement.get("Condition", {}).items()
        if (kept := {key: value for key, value in tests.items() if key not in UNSEEN_CONDITION_KEYS})
    }
    rest = {name: value for name, value in statement.items() if name != "Condition"}
    return {**rest, "Condition": conditions} if conditions else rest


def _with_batch_sends(statement: dict[str, Any]) -> dict[str, Any]:
    """AWS asks for `sqs:SendMessage` on SendMessageBatch; the emulator's IAM asks for an action of the call's name."""
    actions = statement.get("Action", [])
    every = [actions] if isinstance(actions, str) else actions
    return {**statement, "Action": [*every, "sqs:SendMessageBatch"]} if "sqs:SendMessage" in every else statement


def _mentions_key(statement: dict[str, Any], key: str) -> bool:
    return any(key in tests for tests in statement.get("Condition", {}).values())
