"""Creates event archives through the API: the emulator supports them, its CloudFormation does not.

CloudFormation still resolves their intrinsic functions: each one becomes an output of the stack.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from onramp.local.translate import Template

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient

OUTPUT_PREFIX = "LocalArchive"
_OUTPUT_REFERENCE = "$output"


class Archives:
    """The archives of a template. `outputs` holds the stack outputs that `create` needs."""

    def __init__(self, template: Template) -> None:
        self.outputs: dict[str, dict[str, Any]] = {}
        self._archives = {
            logical_id: self._with_outputs(resource["Properties"], resource.get("Condition"))
            for logical_id, resource in template["Resources"].items()
            if resource["Type"] == "AWS::Events::Archive"
        }

    def create(self, events: EventBridgeClient, outputs: Mapping[str, str], stack_name: str) -> None:
        for logical_id, declared in self._archives.items():
            properties = _resolve(declared, outputs)
            if not properties.get("SourceArn"):
                continue  # its condition is false, so its outputs do not exist
            events.create_archive(
                ArchiveName=properties.get("ArchiveName") or f"{stack_name}-{logical_id}"[:48],
                EventSourceArn=properties["SourceArn"],
                EventPattern=json.dumps(properties["EventPattern"]) if "EventPattern" in properties else "",
                RetentionDays=int(properties.get("RetentionDays") or 0),
            )

    def _with_outputs(self, value: Any, condition: str | None) -> Any:
        if isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith(("Ref", "Fn::")):
            name = f"{OUTPUT_PREFIX}{len(self.outputs)}"
            self.outputs[name] = {"Value": value} | ({"Condition": condition} if condition else {})
            return {_OUTPUT_REFERENCE: name}
        if isinstance(value, dict):
            return {key: self._with_outputs(item, condition) for key, item in value.items()}
        return [self._with_outputs(item, condition) for item in value] if isinstance(value, list) else value


def _resolve(value: Any, outputs: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        if _OUTPUT_REFERENCE in value:
            return outputs.get(value[_OUTPUT_REFERENCE])
        return {key: _resolve(item, outputs) for key, item in value.items()}
    return [_resolve(item, outputs) for item in value] if isinstance(value, list) else value
