"""Faults of the event bus, its rules and its archive."""

from __future__ import annotations

from tests.ops.faults.planting import Fault, Planting, Undo


class BusFaults(Planting):
    def _rule(self) -> dict[str, str]:
        bus = self.outputs["EventBusName"]
        rules = self.client("events").list_rules(EventBusName=bus)["Rules"]
        (name,) = (rule["Name"] for rule in rules if "SignupNotRecorded" not in rule["EventPattern"])
        return {"EventBusName": bus, "Name": name}

    def disabled_rule(self) -> Undo:
        self.client("events").disable_rule(**self._rule())
        return lambda: None

    def rule_with_another_pattern(self) -> Undo:
        self.client("events").put_rule(**self._rule(), EventPattern='{"source": ["another.source"]}')
        return lambda: None

    def no_rule(self) -> Undo:
        rule = self._rule()
        where = {"EventBusName": rule["EventBusName"], "Rule": rule["Name"]}
        self.client("events").remove_targets(Ids=["ProvisioningQueue"], **where)
        self.client("events").delete_rule(**rule)
        return lambda: None

    def no_bus(self) -> Undo:
        self.no_rule()
        self.client("events").delete_event_bus(Name=self.outputs["EventBusName"])
        return lambda: None

    def no_archive(self) -> Undo:
        (archive,) = self.client("events").list_archives()["Archives"]
        self.client("events").delete_archive(ArchiveName=archive["ArchiveName"])
        return lambda: None

    def rule_without_target(self) -> Undo:
        rule = self._rule()
        where = {"EventBusName": rule["EventBusName"], "Rule": rule["Name"]}
        self.client("events").remove_targets(Ids=["ProvisioningQueue"], **where)
        return lambda: None

    def target_without_dead_letter_queue(self) -> Undo:
        rule = self._rule()
        where = {"EventBusName": rule["EventBusName"], "Rule": rule["Name"]}
        (target,) = self.client("events").list_targets_by_rule(**where)["Targets"]
        del target["DeadLetterConfig"]
        self.client("events").put_targets(Targets=[target], **where)
        return lambda: None


FAULTS = [
    Fault(BusFaults.disabled_rule, "bus", "trouble", "is disabled", "aws events enable-rule"),
    Fault(BusFaults.rule_with_another_pattern, "bus", "trouble", "does not match", "aws events put-rule"),
    Fault(BusFaults.no_rule, "bus", "trouble", "there is no rule", "aws events put-rule", cures=2),
    Fault(BusFaults.no_bus, "bus", "trouble", "there is no event bus", "aws events create-event-bus", cures=5),
    Fault(BusFaults.no_archive, "bus", "warning", "no archive", "aws events create-archive"),
    Fault(BusFaults.rule_without_target, "bus", "trouble", "does not deliver", "aws events put-targets"),
    Fault(BusFaults.target_without_dead_letter_queue, "bus", "trouble", "no dead-letter", "aws events put-targets"),
]
