"""template.yaml after the SAM transform, with accessors for the tests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from onramp.local.translate import functions_in, load_template, translate

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = {
    "PostConfirmationFunction": "post_confirmation",
    "EnrichProfileFunction": "enrich_profile",
    "HealSignupFunction": "heal_signup",
    "ReconcileFunction": "reconcile",
}
CHECK = "CheckVersionFunction"
"""Its code is in the template: CodeDeploy calls it before the trigger's alias moves."""
TABLES = ("UsersTable", "UserProfilesTable", "OperationsTable")
QUEUES = ("ProvisioningQueue", "ProvisioningDlq", "EventDeliveryDlq", "SignupHealQueue", "SignupHealDlq")


class Translation:
    def __init__(self, **parameters: str) -> None:
        self.sam = load_template(ROOT / "template.yaml")
        code = dict.fromkeys(functions_in(self.sam), "s3://onramp-artifacts/function.zip")
        self.body = translate(self.sam, parameters, code, region="eu-west-1")
        self.resources: dict[str, dict[str, Any]] = self.body["Resources"]
        self.parameters: dict[str, dict[str, Any]] = self.body["Parameters"]

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """Logical id -> properties."""
        return {name: resource["Properties"] for name, resource in self.resources.items() if resource["Type"] == kind}

    def __getitem__(self, logical_id: str) -> dict[str, Any]:
        properties: dict[str, Any] = self.resources[logical_id]["Properties"]
        return properties

    def default(self, parameter: str) -> Any:
        return self.parameters[parameter]["Default"]

    def environment(self, function: str) -> dict[str, Any]:
        variables: dict[str, Any] = self[function]["Environment"]["Variables"]
        return variables

    def settings(self, function: str) -> dict[str, str]:
        """The same as text: the defaults of the parameters, and a placeholder for other values."""
        return {name: self._setting(given) for name, given in self.environment(function).items()}

    def _setting(self, given: Any) -> str:
        if isinstance(given, str):
            return given
        match given:
            case {"Ref": name} | {"Fn::Join": [",", {"Ref": name}]} if name in self.parameters:
                return str(self.default(name))
        return f"any-{len(json.dumps(given))}"


@cache
def with_defaults() -> Translation:
    """All parameters have their defaults. Every test reads the same one, because a translation takes a second."""
    return Translation()


def walk(node: Any) -> Iterator[Mapping[str, Any]]:
    """All mappings below the node, including the node."""
    if isinstance(node, Mapping):
        yield node
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, list):
        for item in node:
            yield from walk(item)


def attribute(logical_id: str, name: str = "Arn") -> dict[str, Any]:
    return {"Fn::GetAtt": [logical_id, name]}


def ref(name: str) -> dict[str, str]:
    return {"Ref": name}


def if_else(condition: str, then: Any, otherwise: Any) -> dict[str, Any]:
    return {"Fn::If": [condition, then, otherwise]}


NO_VALUE = ref("AWS::NoValue")
