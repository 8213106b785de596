"""A replay of the bus's archive to one rule, found again by its window: running it twice replays once.

EventBridge replays to every rule of the bus unless one is named, and marks what it replays with `replay-name`. Events
reach the archive up to ten minutes late, so a window must have ended by then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code
from onramp.ops.common.errors import UsageError
from onramp.ops.common.when import clock

MINUTE, DAY = 60_000, 86_400_000  # milliseconds
ARRIVES_WITHIN = 10 * MINUTE
UNDER_WAY = ("STARTING", "RUNNING")
DONE = "COMPLETED"


@dataclass(frozen=True, slots=True)
class Window:
    """Unix milliseconds."""

    start: int
    end: int

    def check(self, now: int) -> None:
        """Raises DeskError."""
        if self.start >= self.end:
            raise UsageError(f"--from ({clock(self.start)}) must be before --to ({clock(self.end)}).")
        if self.end > now - ARRIVES_WITHIN:
            raise UsageError(
                f"events reach the archive up to ten minutes late: end the window at {clock(now - ARRIVES_WITHIN)} or"
                " before, or re-emit with --from-table."
            )


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """`kept_since`: what is older is no longer in the archive."""

    archive: str
    archive_arn: str
    bus_arn: str
    rule: str
    rule_arn: str
    window: Window
    kept_since: int

    def name(self, attempt: int) -> str:
        """The same for the same window and rule, so that a second run finds the first."""
        said = f"{self.archive_arn}|{self.rule_arn}|{self.window.start}|{self.window.end}"
        return f"onramp-{hashlib.sha256(said.encode()).hexdigest()[:16]}-{attempt}"


@dataclass(frozen=True, slots=True)
class ReplayProgress:
    """`fraction` of the window that has been replayed."""

    state: str
    fraction: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Replays:
    """`client` is EventBridge's."""

    client: Any

    def plan(self, bus: str, rule: str, window: Window, archive: str | None, now: int) -> ReplayPlan:
        """Raises DeskError where there is no such rule, or no archive."""
        bus_arn = self.client.describe_event_bus(Name=bus)["Arn"]
        found = self._archive(bus_arn, bus, archive)
        retention = int(found.get("RetentionDays") or 0)
        return ReplayPlan(
            archive=found["ArchiveName"],
            archive_arn=self.client.describe_archive(ArchiveName=found["ArchiveName"])["ArchiveArn"],
            bus_arn=bus_arn,
            rule=rule,
            rule_arn=self._rule(bus, rule),
            window=window,
            kept_since=now - retention * DAY if retention else 0,
        )

    def _archive(self, bus_arn: str, bus: str, wanted: str | None) -> dict[str, Any]:
        found: dict[str, dict[str, Any]] = {
            archive["ArchiveName"]: archive
            for archive in self.client.list_archives(EventSourceArn=bus_arn)["Archives"]
            if wanted in (None, archive["ArchiveName"])
        }
        if not found:
            raise UsageError(
                f"the bus {bus} has no archive{f' {wanted}' if wanted else ''}: re-emit with --from-table."
            )
        if len(found) > 1:
            raise UsageError(f"the bus {bus} has several archives: choose one with --archive ({', '.join(found)}).")
        return next(iter(found.values()))

    def _rule(self, bus: str, name: str) -> str:
        rules = {rule["Name"]: rule for rule in self.rules(bus)}
        if name not in rules:
            raise UsageError(f"the bus {bus} has no rule {name}: it has {', '.join(sorted(rules)) or 'none'}.")
        if rules[name]["State"] == "DISABLED":
            raise UsageError(f"the rule {name} is disabled and would deliver nothing: enable it first.")
        return str(rules[name]["Arn"])

    def rules(self, bus: str) -> Iterator[dict[str, Any]]:
        for page in self.client.get_paginator("list_rules").paginate(EventBusName=bus):
            yield from page["Rules"]

    def find(self, plan: ReplayPlan) -> tuple[int, ReplayProgress | None]:
        """The number of the latest attempt at this plan and how far it is; 1 and None where there was none."""
        attempt, found = 1, self.progress(plan, plan.name(1))
        while found and (later := self.progress(plan, plan.name(attempt + 1))):
            attempt, found = attempt + 1, later
        return attempt, found

    def start(self, plan: ReplayPlan, name: str) -> None:
        self.client.start_replay(
            ReplayName=name,
            Description=f"onramp replay to {plan.rule}",
            EventSourceArn=plan.archive_arn,
            EventStartTime=_at(plan.window.start),
            EventEndTime=_at(plan.window.end),
            Destination={"Arn": plan.bus_arn, "FilterArns": [plan.rule_arn]},
        )

    def progress(self, plan: ReplayPlan, name: str) -> ReplayProgress | None:
        """None where there is no replay of that name."""
        try:
            found = self.client.describe_replay(ReplayName=name)
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            return None
        if found["State"] == DONE:
            return ReplayProgress(DONE, 1.0)
        last = found.get("EventLastReplayedTime")
        done = 0.0 if last is None else last.timestamp() * 1000 - plan.window.start
        length = plan.window.end - plan.window.start
        return ReplayProgress(found["State"], min(max(done / length, 0.0), 1.0), found.get("StateReason", ""))


def _at(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC)
