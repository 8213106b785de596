"""A replay of the event bus's archive to one rule. Its name is made of rule and window: a second run finds the first.

EventBridge replays to every rule of the bus unless one is named, and adds `replay-name` to each event. Events reach the
archive up to ten minutes late, so the window must end ten minutes ago or earlier.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code
from onramp.ops.common.errors import UsageError
from onramp.ops.common.when import format_time

if TYPE_CHECKING:
    from mypy_boto3_events.client import EventBridgeClient
    from mypy_boto3_events.type_defs import ArchiveTypeDef, RuleTypeDef

MINUTE, DAY = 60_000, 86_400_000  # milliseconds
ARRIVES_WITHIN = 10 * MINUTE
IN_PROGRESS = ("STARTING", "RUNNING")
DONE = "COMPLETED"


@dataclass(frozen=True, slots=True)
class Window:
    """Unix milliseconds."""

    start: int
    end: int

    def check(self, now: int) -> None:
        """Raises UsageError."""
        if self.start >= self.end:
            raise UsageError(f"--from ({format_time(self.start)}) must be before --to ({format_time(self.end)}).")
        if self.end > now - ARRIVES_WITHIN:
            latest = format_time(now - ARRIVES_WITHIN)
            raise UsageError(
                f"events reach the archive up to ten minutes late: end the window at {latest} or earlier, or use"
                " --from-table."
            )


@dataclass(frozen=True, slots=True)
class ReplayPlan:
    """`kept_since` (Unix milliseconds): the archive holds no older events; 0 where it deletes none."""

    archive: str
    archive_arn: str
    bus_arn: str
    rule: str
    rule_arn: str
    window: Window
    kept_since: int

    def name(self, attempt: int) -> str:
        """The same for the same archive, rule and window."""
        identity = f"{self.archive_arn}|{self.rule_arn}|{self.window.start}|{self.window.end}"
        return f"onramp-{hashlib.sha256(identity.encode()).hexdigest()[:16]}-{attempt}"

    def details(self) -> dict[str, str]:
        window = {"from": format_time(self.window.start), "to": format_time(self.window.end)}
        return {"rule": self.rule, "archive": self.archive, **window}

    def sentence(self) -> str:
        between = f"{format_time(self.window.start)} to {format_time(self.window.end)}"
        return f"Replays {between} of {self.archive} to the rule {self.rule} alone."


@dataclass(frozen=True, slots=True)
class ReplayProgress:
    """`fraction` of the window that has been replayed."""

    state: str
    fraction: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Replays:
    client: EventBridgeClient

    def plan(self, bus: str, rule: str, window: Window, archive: str | None, now: int) -> ReplayPlan:
        """Raises UsageError where there is no such rule, or no archive."""
        bus_arn = self.client.describe_event_bus(Name=bus)["Arn"]
        source = self._archive(bus_arn, bus, archive)
        retention = int(source.get("RetentionDays") or 0)
        return ReplayPlan(
            archive=source["ArchiveName"],
            archive_arn=self.client.describe_archive(ArchiveName=source["ArchiveName"])["ArchiveArn"],
            bus_arn=bus_arn,
            rule=rule,
            rule_arn=self._rule(bus, rule),
            window=window,
            kept_since=now - retention * DAY if retention else 0,
        )

    def _archive(self, bus_arn: str, bus: str, wanted: str | None) -> ArchiveTypeDef:
        archives = {
            archive["ArchiveName"]: archive
            for archive in self.client.list_archives(EventSourceArn=bus_arn)["Archives"]
            if wanted in (None, archive["ArchiveName"])
        }
        if not archives:
            raise UsageError(
                f"the bus {bus} has no archive{f' {wanted}' if wanted else ''}: re-emit with --from-table."
            )
        if len(archives) > 1:
            raise UsageError(f"the bus {bus} has several archives: choose one with --archive ({', '.join(archives)}).")
        return next(iter(archives.values()))

    def _rule(self, bus: str, name: str) -> str:
        rules = {rule["Name"]: rule for rule in self.rules(bus)}
        if name not in rules:
            raise UsageError(f"the bus {bus} has no rule {name}: it has {', '.join(sorted(rules)) or 'none'}.")
        if rules[name]["State"] == "DISABLED":
            raise UsageError(f"the rule {name} is disabled and delivers nothing: enable it first.")
        return str(rules[name]["Arn"])

    def rules(self, bus: str) -> Iterator[RuleTypeDef]:
        for page in self.client.get_paginator("list_rules").paginate(EventBusName=bus):
            yield from page["Rules"]

    def find(self, plan: ReplayPlan) -> tuple[int, ReplayProgress | None]:
        """The number of the latest attempt at this plan and its progress; 1 and None where there was none."""
        attempt, latest = 1, self.progress(plan, plan.name(1))
        while latest and (later := self.progress(plan, plan.name(attempt + 1))):
            attempt, latest = attempt + 1, later
        return attempt, latest

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
            replay = self.client.describe_replay(ReplayName=name)
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            return None
        if replay["State"] == DONE:
            return ReplayProgress(DONE, 1.0)
        last_event = replay.get("EventLastReplayedTime")
        done = 0.0 if last_event is None else last_event.timestamp() * 1000 - plan.window.start
        length = plan.window.end - plan.window.start
        return ReplayProgress(replay["State"], min(max(done / length, 0.0), 1.0), replay.get("StateReason", ""))


def _at(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC)
