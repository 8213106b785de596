"""Turns metrics in function logs (embedded metric format) into CloudWatch metrics and evaluates alarms on them.

The emulator only stores the lines. This module replaces one of its functions; its version is pinned and a contract
test covers the replacement.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

EVALUATE_EVERY_SECONDS = 0.5  # one evaluation reads every data point of every alarm's metric


def install() -> None:
    """Call it in the server process, before the first request."""
    from ministack.services import cloudwatch, cloudwatch_logs

    append = cloudwatch_logs._append_log_events
    alarms = _Alarms(cloudwatch)

    def append_and_store_metrics(stream: Any, events: list[dict[str, Any]]) -> None:
        append(stream, events)
        for event in events:
            for namespace, name, dimensions, values in metrics_in(event["message"]):
                at = event["timestamp"] / 1000
                for value in values:
                    cloudwatch._store_datum(namespace, name, dimensions, at, "Count", value, None, None, None)
                alarms.evaluate(namespace, name, at)

    cloudwatch_logs._append_log_events = append_and_store_metrics


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
    """Evaluates all alarms on new data. An alarm without recent data returns to OK if it treats missing data as OK."""

    def __init__(self, cloudwatch: Any) -> None:
        self._cloudwatch = cloudwatch
        self._last_data_at: dict[tuple[str, str], float] = {}
        self._evaluated_at = 0.0

    def evaluate(self, namespace: str, name: str, at: float) -> None:
        self._last_data_at[namespace, name] = at
        if time.monotonic() - self._evaluated_at < EVALUATE_EVERY_SECONDS:
            return
        self._evaluated_at = time.monotonic()
        self._cloudwatch._evaluate_all_alarms()
        for alarm in self._cloudwatch._alarms.values():
            if self._has_no_recent_data(alarm, at):
                alarm["StateValue"] = "OK"

    def _has_no_recent_data(self, alarm: Mapping[str, Any], now: float) -> bool:
        last = self._last_data_at.get((alarm.get("Namespace", ""), alarm.get("MetricName", "")), 0.0)
        window = int(alarm.get("Period") or 60) * int(alarm.get("EvaluationPeriods") or 1)
        missing_is_ok = alarm.get("TreatMissingData") == "notBreaching"
        return alarm["StateValue"] == "ALARM" and missing_is_ok and bool(last) and last < now - window
