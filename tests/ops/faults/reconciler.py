"""Faults of the reconciler's schedule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from onramp.local.parameters import STACK_NAME
from tests.ops.faults.planting import Fault, Planting, Undo


class ReconcilerFaults(Planting):
    def _schedule(self) -> str:
        rules = self.client("events").list_rules()["Rules"]
        return next(str(rule["Name"]) for rule in rules if rule["Name"].startswith(f"{STACK_NAME}-Reconcile"))

    def disabled_schedule(self) -> Undo:
        self.client("events").disable_rule(Name=self._schedule())
        return lambda: None

    def no_schedule(self) -> Undo:
        name = self._schedule()
        self.schedule_without_target()
        self.client("events").delete_rule(Name=name)
        return lambda: None

    def schedule_without_target(self) -> Undo:
        targets = self.client("events").list_targets_by_rule(Rule=self._schedule())["Targets"]
        self.client("events").remove_targets(Rule=self._schedule(), Ids=[target["Id"] for target in targets])
        return lambda: None

    def late_reconciler(self) -> Undo:
        """Its last run was 40 minutes ago."""
        dimension = {"Name": "service", "Value": self.outputs["ReconcileFunctionName"]}
        at = datetime.now(UTC) - timedelta(minutes=40)
        completed = {"MetricName": "ReconcileCompleted", "Dimensions": [dimension], "Timestamp": at, "Value": 1.0}
        self.client("cloudwatch").put_metric_data(Namespace="Onramp", MetricData=[completed])
        return lambda: None


FAULTS = [
    Fault(
        ReconcilerFaults.disabled_schedule, "reconciler", "trouble", "schedule is disabled", "aws events enable-rule"
    ),
    Fault(ReconcilerFaults.no_schedule, "reconciler", "trouble", "has no schedule", "aws events put-rule", cures=2),
    Fault(
        ReconcilerFaults.schedule_without_target,
        "reconciler",
        "trouble",
        "does not invoke it",
        "aws events put-targets",
    ),
    Fault(ReconcilerFaults.late_reconciler, "reconciler", "trouble", "40 min ago", "aws lambda invoke"),
]
