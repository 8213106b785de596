"""The metrics of the functions, read back from CloudWatch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from onramp.observability import NAMESPACE

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.client import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef, MetricStatTypeDef

MINUTE = 60_000  # milliseconds
RECONCILER_OVERDUE = 15 * MINUTE
"""Three times the interval of its schedule."""
Series = Mapping[str, Sequence[tuple[int, float]]]


@dataclass(frozen=True, slots=True)
class Metrics:
    client: CloudWatchClient
    stack: str

    def sums(self, service: str, names: Sequence[str], since: int, until: int, period: int = 60) -> Series:
        """By metric: `(Unix milliseconds, sum of the period)`, oldest first; empty without data points.

        `service` is the last part of the function's name, as `Reconcile`. `period` in seconds.
        """
        queries = [self._query(f"m{index}", service, name, period) for index, name in enumerate(names)]
        points: dict[str, list[tuple[int, float]]] = {name: [] for name in names}
        pages = self.client.get_paginator("get_metric_data").paginate(
            MetricDataQueries=queries, StartTime=_datetime(since), EndTime=_datetime(until)
        )
        for page in pages:
            for result in page["MetricDataResults"]:
                samples = zip(result["Timestamps"], result["Values"], strict=True)
                points[names[int(result["Id"][1:])]] += [(round(at.timestamp() * 1000), value) for at, value in samples]
        return {name: sorted(series) for name, series in points.items()}

    def last_run(self, now: int) -> int | None:
        """The last completed run of the reconciler within three hours: Unix milliseconds, to the minute."""
        completed = self.sums("Reconcile", ["ReconcileCompleted"], now - 180 * MINUTE, now + MINUTE)
        return max((at for at, value in completed["ReconcileCompleted"] if value), default=None)

    def _query(self, query_id: str, service: str, metric: str, period: int) -> MetricDataQueryTypeDef:
        stat: MetricStatTypeDef = {
            "Metric": {
                "Namespace": NAMESPACE,
                "MetricName": metric,
                "Dimensions": [{"Name": "service", "Value": f"{self.stack}-{service}"}],
            },
            "Period": period,
            "Stat": "Sum",
        }
        return {"Id": query_id, "MetricStat": stat}


def _datetime(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC)
