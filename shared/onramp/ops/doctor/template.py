"""The template of the deployed stack, with its references replaced by this stack's values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from onramp.ops.common.deployment import Deployment

NO_VALUE = object()
VARIABLE = re.compile(r"\$\{([^}]+)\}")


@dataclass(frozen=True, slots=True)
class DeployedTemplate:
    """As much of CloudFormation's functions as the alarms use."""

    stack: Deployment
    body: Mapping[str, Any]

    @classmethod
    def of(cls, stack: Deployment) -> Self:
        body: Any = stack.client("cloudformation").get_template(StackName=stack.name, TemplateStage="Processed")
        template = body["TemplateBody"]
        return cls(stack, json.loads(template) if isinstance(template, str) else template)

    def properties(self, logical_id: str) -> dict[str, Any]:
        resolved: dict[str, Any] = self._resolve(self.body["Resources"][logical_id]["Properties"])
        return resolved

    def _resolve(self, value: Any) -> Any:
        match value:
            case {"Ref": name}:
                return self._ref(name)
            case {"Fn::If": [condition, then, otherwise]}:
                return self._resolve(then if self._holds({"Condition": condition}) else otherwise)
            case {"Fn::Sub": str(text)}:
                return VARIABLE.sub(lambda match: str(self._ref(match[1])), text)
            case {"Fn::GetAtt": [logical_id, "QueueName"]}:
                return self.stack.physical_id(logical_id).rpartition("/")[2]
            case {"Fn::GetAtt": str(path)} if path.endswith(".QueueName"):
                return self._resolve({"Fn::GetAtt": path.split(".")})
            case dict():
                resolved = {key: self._resolve(item) for key, item in value.items()}
                return {key: item for key, item in resolved.items() if item is not NO_VALUE}
            case list():
                return [self._resolve(item) for item in value]
        return value

    def _ref(self, name: str) -> Any:
        match name:
            case "AWS::NoValue":
                return NO_VALUE
            case "AWS::StackName":
                return self.stack.name
        return self.stack.parameters.get(name) if name in self.stack.parameters else self.stack.physical_id(name)

    def _holds(self, condition: Mapping[str, Any]) -> bool:
        match condition:
            case {"Condition": name}:
                return self._holds(self.body["Conditions"][name])
            case {"Fn::Not": [other]}:
                return not self._holds(other)
            case {"Fn::Equals": [left, right]}:
                return bool(self._resolve(left) == self._resolve(right))
        raise ValueError(f"a condition of an unknown form: {condition}")
