"""The grants of a role, each one action on one resource in one statement."""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from tests.deployed import DeployedPipeline

Policy = dict[str, Any]


@dataclass(frozen=True, order=True)
class Grant:
    statement: str
    action: str
    resource: str

    def __str__(self) -> str:
        return f"{self.statement}: {self.action} on {self.resource.rpartition(':')[2]}"


def grants(policy: Policy) -> list[Grant]:
    return [
        Grant(statement["Sid"], action, resource)
        for statement in policy["Statement"]
        for action in _as_list(statement["Action"])
        for resource in _as_list(statement["Resource"])
        if not action.endswith("MessageBatch")  # only the emulator needs it, see localize.py
    ]


def without(policy: Policy, removed: Collection[Grant]) -> Policy:
    return {**policy, "Statement": [split for s in policy["Statement"] for split in _split(s, removed)]}


def _split(statement: dict[str, Any], removed: Collection[Grant]) -> Iterator[dict[str, Any]]:
    """One statement for each action and resource, except the removed ones."""
    for action in _as_list(statement["Action"]):
        for resource in _as_list(statement["Resource"]):
            if Grant(statement["Sid"], action.removesuffix("Batch"), resource) not in removed:
                yield {**copy.deepcopy(statement), "Sid": "", "Action": action, "Resource": resource}


def _as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


class Role:
    """The deployed role of a function; the emulator evaluates it at every call."""

    def __init__(self, deployed: DeployedPipeline, function: str) -> None:
        self.function = function
        self._iam = deployed.stack.client("iam")
        roles = self._iam.list_roles()["Roles"]
        (self.name,) = (role["RoleName"] for role in roles if f"-{function}Role-" in role["RoleName"])
        (self._policy_name,) = self._iam.list_role_policies(RoleName=self.name)["PolicyNames"]
        self.policy: Policy = self._iam.get_role_policy(RoleName=self.name, PolicyName=self._policy_name)[
            "PolicyDocument"
        ]

    def put(self, policy: Policy) -> None:
        self._iam.put_role_policy(RoleName=self.name, PolicyName=self._policy_name, PolicyDocument=json.dumps(policy))
