"""What the functions count, read back from CloudWatch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from onramp.observability import NAMESPACE

MINUTE = 60_000  # milliseconds
Series = Mapping[str, Sequence[tuple[int, float]]]


@dataclass(frozen=True, slots=True)
class Metrics:
    """`client` is CloudWatch's; `service` names a function by the last part of its name, as `Reconcile`."""

    client: Any
    stack: str

    def sums(self, service: str, names: Sequence[str], since: int, until: int, period: int = 60) -> Series:
        """By metric, `(Unix milliseconds, sum of the period)`, oldest first; empty where nothing was counted."""
        dimensions = [{"Name": "service", "Value": f"{self.stack}-{service}"}]
        queries = [
            {
                "Id": f"m{place}",
                "MetricStat": {
                    "Metric": {"Namespace": NAMESPACE, "MetricName": name, "Dimensions": dimensions},
                    "Period": period,
                    "Stat": "Sum",
                },
            }
            for place, name in enumerate(names)
        ]
        found: dict[str, list[tuple[int, float]]] = {name: [] for name in names}
        request = {"MetricDataQueries": queries, "StartTime": _at(since), "EndTime": _at(until)}
        for page in self.client.get_paginator("get_metric_data").paginate(**request):
            for result in page["MetricDataResults"]:
                points = zip(result["Timestamps"], result["Values"], strict=True)
                series = found[names[int(result["Id"][1:])]]
                series += [(round(at.timestamp() * 1000), value) for at, value in points]
        return {name: sorted(series) for name, series in found.items()}

    def last_run(self, now: int) -> int | None:
        """When the reconciler last completed a run, to the minute, of the last three hours."""
        completed = self.sums("Reconcile", ["ReconcileCompleted"], now - 180 * MINUTE, now + MINUTE)
        return max((at for at, value in completed["ReconcileCompleted"] if value), default=None)


def _at(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC)
