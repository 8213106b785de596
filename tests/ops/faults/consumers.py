"""Faults between the queues and the worker or the healer."""

from __future__ import annotations

from tests.ops.faults.planting import Fault, Planting, Undo


class ConsumerFaults(Planting):
    def disabled_event_source_mapping(self) -> Undo:
        mappings = self.client("lambda").list_event_source_mappings(FunctionName=self.worker)["EventSourceMappings"]
        self.client("lambda").update_event_source_mapping(UUID=mappings[0]["UUID"], Enabled=False)
        return lambda: None

    def _mapping(self, function: str) -> str:
        (mapping,) = self.client("lambda").list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
        return str(mapping["UUID"])

    def no_event_source_mapping(self) -> Undo:
        self.client("lambda").delete_event_source_mapping(UUID=self._mapping(self.worker))
        return lambda: None

    def mapping_without_partial_failures(self) -> Undo:
        self.client("lambda").update_event_source_mapping(UUID=self._mapping(self.worker), FunctionResponseTypes=[])
        return lambda: None

    def mapping_with_another_concurrency(self) -> Undo:
        other = {"MaximumConcurrency": 50}
        self.client("lambda").update_event_source_mapping(UUID=self._mapping(self.worker), ScalingConfig=other)
        return lambda: None

    def _change_heal_mapping(self, **change: object) -> Undo:
        self.client("lambda").update_event_source_mapping(UUID=self._mapping(self.healer), **change)
        return lambda: None

    def disabled_heal_mapping(self) -> Undo:
        return self._change_heal_mapping(Enabled=False)

    def no_heal_mapping(self) -> Undo:
        self.client("lambda").delete_event_source_mapping(UUID=self._mapping(self.healer))
        return lambda: None

    def heal_mapping_without_partial_failures(self) -> Undo:
        return self._change_heal_mapping(FunctionResponseTypes=[])

    def heal_mapping_with_another_concurrency(self) -> Undo:
        return self._change_heal_mapping(ScalingConfig={"MaximumConcurrency": 50})

    def short_visibility_timeout(self) -> Undo:
        return self._set_attributes("ProvisioningQueueUrl", VisibilityTimeout="30")

    def short_heal_visibility_timeout(self) -> Undo:
        return self._set_attributes("SignupHealQueueUrl", VisibilityTimeout="30")


FAULTS = [
    Fault(
        ConsumerFaults.disabled_event_source_mapping,
        "functions",
        "trouble",
        "disabled",
        "update-event-source-mapping ... --enabled",
    ),
    Fault(
        ConsumerFaults.no_event_source_mapping,
        "functions",
        "trouble",
        "no event source mapping",
        "create-event-source-ma",
    ),
    Fault(
        ConsumerFaults.mapping_without_partial_failures, "functions", "trouble", "batch item failures", "ReportBatch"
    ),
    Fault(
        ConsumerFaults.mapping_with_another_concurrency, "functions", "warning", "concurrency is 50", "--scaling-config"
    ),
    Fault(
        ConsumerFaults.disabled_heal_mapping,
        "functions",
        "trouble",
        "the healer's event source mapping is dis",
        "update-event-source-mapping ... --enabled",
    ),
    Fault(
        ConsumerFaults.no_heal_mapping,
        "functions",
        "trouble",
        "the healer's alias `live` has no",
        "create-event-source-ma",
    ),
    Fault(
        ConsumerFaults.heal_mapping_without_partial_failures,
        "functions",
        "trouble",
        "the healer's event",
        "ReportBatch",
    ),
    Fault(
        ConsumerFaults.heal_mapping_with_another_concurrency, "functions", "warning", "the healer's max", "oncurrency=2"
    ),
    Fault(ConsumerFaults.short_visibility_timeout, "functions", "warning", "30 s", "aws sqs set-queue-attributes"),
    Fault(
        ConsumerFaults.short_heal_visibility_timeout, "functions", "warning", "of SignupHealQueue is 30", "aws sqs set-"
    ),
]
