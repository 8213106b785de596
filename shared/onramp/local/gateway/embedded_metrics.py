"""Metrics that the functions write into their logs become CloudWatch metrics, and alarms see them, as on AWS.

The emulator keeps the lines and looks no further. Its version is pinned, so replacing one function of it is safe; a
contract test holds what is relied on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

EVALUATE_EVERY_SECONDS = 0.5  # each evaluation looks at every point of every alarm's metric


def install() -> None:
    """In the server's process, before its first request."""
    from ministack.services import cloudwatch, cloudwatch_logs

    append = cloudwatch_logs._append_log_events
    alarms = _Alarms(cloudwatch)

    def append_and_extract(stream: Any, events: list[dict[str, Any]]) -> None:
        append(stream, events)
        for event in events:
            for namespace, name, dimensions, values in metrics_in(event["message"]):
                at = event["timestamp"] / 1000
                for value in values:
                    cloudwatch._store_datum(namespace, name, dimensions, at, "Count", value, None, None, None)
                alarms.seen(namespace, name, at)

    cloudwatch_logs._append_log_events = append_and_extract


def metrics_in(line: str) -> Iterator[tuple[str, str, dict[str, str], list[float]]]:
    """Namespace, name, dimensions and values of each metric in a line of the embedded metric format."""
    if '"_aws"' not in line:
        return
    try:
        document = json.loads(line)
        directives = document["_aws"]["CloudWatchMetrics"]
    except (ValueError, KeyError, TypeError):
        return
    for directive in directives:
        for names in directive.get("Dimensions") or [[]]:
            dimensions = {name: str(document[name]) for name in names}
            for metric in directive["Metrics"]:
                value = document[metric["Name"]]
                yield (
                    directive["Namespace"],
                    metric["Name"],
                    dimensions,
                    value if isinstance(value, list) else [value],
                )


class _Alarms:
    """Evaluates on new data, and returns an alarm whose data is old to OK where silence is good news."""

    def __init__(self, cloudwatch: Any) -> None:
        self._cloudwatch = cloudwatch
        self._newest: dict[tuple[str, str], float] = {}
        self._evaluated = 0.0

    def seen(self, namespace: str, name: str, at: float) -> None:
        self._newest[namespace, name] = at
        if time.monotonic() - self._evaluated < EVALUATE_EVERY_SECONDS:
            return
        self._evaluated = time.monotonic()
        self._cloudwatch._evaluate_all_alarms()
        for alarm in self._cloudwatch._alarms.values():
            if self._is_over(alarm, at):
                alarm["StateValue"] = "OK"

    def _is_over(self, alarm: Mapping[str, Any], now: float) -> bool:
        newest = self._newest.get((alarm.get("Namespace", ""), alarm.get("MetricName", "")), 0.0)
        window = int(alarm.get("Period") or 60) * int(alarm.get("EvaluationPeriods") or 1)
        quiet_is_good = alarm.get("TreatMissingData") == "notBreaching"
        return alarm["StateValue"] == "ALARM" and quiet_is_good and bool(newest) and newest < now - window
