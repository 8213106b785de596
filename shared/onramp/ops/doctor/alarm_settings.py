"""Which alarms were changed or deleted by hand, and the command that restores each as the deployed template has it.

A deployment restores none: CloudFormation compares the template with the one before, not with the alarm.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from onramp.ops.common.deployment import Deployment
from onramp.ops.common.shell import command
from onramp.ops.doctor.findings import Finding, trouble, warning
from onramp.ops.doctor.template import DeployedTemplate

WHY = "a failure that it watches for is not reported."


def by_hand(stack: Deployment, alarms: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]) -> Iterator[Finding]:
    """`alarms`: those that exist, by name. `names`: the logical id of each alarm of the stack, by name."""
    if not names:
        return
    template = DeployedTemplate.of(stack)
    for name, logical_id in sorted(names.items(), key=lambda item: item[1]):
        wanted = template.properties(logical_id)
        if name not in alarms:
            yield trouble(f"{logical_id} was deleted by hand.", WHY, _put_command(name, wanted))
        elif changed := [key for key, value in wanted.items() if not _has(alarms[name].get(key), value)]:
            what = f"{logical_id} was changed by hand: {', '.join(changed)}."
            yield warning(what, WHY, _put_command(name, wanted))


def _put_command(name: str, properties: Mapping[str, Any]) -> str:
    """The properties of a template have the names of PutMetricAlarm's members, which replaces the whole alarm."""
    request = json.dumps({"AlarmName": name, **properties})
    return command("aws cloudwatch put-metric-alarm --cli-input-json {}", request)


def _has(actual: Any, wanted: Any) -> bool:
    """CloudWatch adds defaults, and returns a list of metrics or dimensions in an order of its own."""
    if isinstance(wanted, Mapping):
        return isinstance(actual, Mapping) and all(_has(actual.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        both = [sorted(items or (), key=_identity) for items in (actual, wanted)]
        return len(both[0]) == len(both[1]) and all(map(_has, *both))
    if isinstance(wanted, int | float) and not isinstance(wanted, bool):
        return actual is not None and float(actual) == float(wanted)
    return bool(actual == wanted)


def _identity(item: Any) -> str:
    return str(item.get("Id") or item.get("Name")) if isinstance(item, Mapping) else str(item)
