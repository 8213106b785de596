"""The status report: each part is read on its own, and a part that cannot be read has a reason instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from onramp.domain.errors import RetryableError
from onramp.domain.event_data import rfc3339
from onramp.domain.users import Owed
from onramp.ops.common.errors import reason
from onramp.ops.common.metrics import MINUTE, RECONCILER_OVERDUE
from onramp.ops.common.next_steps import next_step
from onramp.ops.common.when import format_duration
from onramp.ops.status.wiring import StatusWiring

RECENT, HOUR = 5 * MINUTE, 60 * MINUTE
PROVIDER_METRICS = {
    "Retried": "retried",
    "ProviderKeyRejected": "key refused",
    "SecretUnreadable": "key unreadable",
    "RetriesExhausted": "given up",
    "ProviderRefused": "refused for good",
    "PermanentFailure": "",
    "WorkerBug": "bugs",
}
"""Metric -> its words. PermanentFailure also counts malformed messages and unknown users: it is in the JSON only."""
QUEUES = ("ProvisioningQueue", "ProvisioningDlq", "EventDeliveryDlq", "SignupHealQueue", "SignupHealDlq")
Part = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StatusReport:
    """`parts` by name, None where one could not be read: `reasons` then has the reason. `at` in Unix milliseconds."""

    at: int
    parts: Mapping[str, Part | None]
    reasons: Mapping[str, str]

    @property
    def data(self) -> dict[str, Any]:
        return {"at": rfc3339(self.at), **self.parts, "unreadable": dict(self.reasons)}


def read(wiring: StatusWiring) -> StatusReport:
    parts: dict[str, Part | None] = {}
    reasons = {}
    for name, (read_part, _) in PARTS.items():
        try:
            parts[name] = read_part(wiring)
        except (ClientError, BotoCoreError, RetryableError) as error:
            parts[name], reasons[name] = None, reason(error)
    return StatusReport(wiring.stack.now(), parts, reasons)


def lines(report: StatusReport) -> list[tuple[str, str]]:
    """Name and sentence of each part."""
    return [(name, sentence(part) if (part := report.parts[name]) else "-") for name, (_, sentence) in PARTS.items()]


def _signups(wiring: StatusWiring) -> Part:
    now = wiring.stack.now()
    series = wiring.metrics.sums("PostConfirmation", ["SignedUp", "SignupRejected"], now - HOUR, now + MINUTE)
    recent = sum(count for at, count in series["SignedUp"] if at >= now - RECENT)
    hour = {name: round(sum(count for _, count in points)) for name, points in series.items()}
    return {
        "perMinute": round(recent / (RECENT / MINUTE), 1),
        "lastHour": hour["SignedUp"],
        "refusedLastHour": hour["SignupRejected"],
    }


def _signups_sentence(part: Part) -> str:
    count, refused = part["lastHour"], part["refusedLastHour"]
    return f"{part['perMinute']:,} a minute (last 5 min), {count:,} in the last hour; {refused:,} refused"


def _owed(wiring: StatusWiring) -> Part:
    stack = wiring.stack
    since = [owing.oldest for owing in stack.owed_counts.values() if owing.oldest is not None]
    oldest = (stack.now() - min(since)) // 1000 if since else None
    return {kind.value: owing.count for kind, owing in stack.owed_counts.items()} | {"oldestSeconds": oldest}


def _owed_sentence(part: Part) -> str:
    counts = "   ".join(f"{kind} {part[kind]:,}" for kind in Owed)
    oldest = part["oldestSeconds"]
    return counts if oldest is None else f"{counts}   the oldest for {format_duration(oldest * 1000)}"


def _users(wiring: StatusWiring) -> Part:
    """From the tables' item counts, which DynamoDB updates every six hours."""
    stack = wiring.stack
    describe = stack.client("dynamodb").describe_table
    users, profiles = (
        int(describe(TableName=stack.outputs[output])["Table"]["ItemCount"])
        for output in ("UsersTableName", "UserProfilesTableName")
    )
    unready = sum(stack.owed_counts[kind].count for kind in (Owed.ENRICH, Owed.OPERATOR))
    return {"records": users, "readyAbout": max(0, profiles - unready)}


def _users_sentence(part: Part) -> str:
    return f"about {part['readyAbout']:,} ready of {part['records']:,} records"


def _queues(wiring: StatusWiring) -> Part:
    return {
        name: {
            "waiting": int(queue["ApproximateNumberOfMessages"]) + int(queue["ApproximateNumberOfMessagesDelayed"]),
            "inHand": int(queue["ApproximateNumberOfMessagesNotVisible"]),
        }
        for name in QUEUES
        for queue in (wiring.stack.queue(f"{name}Url"),)
    }


def _queues_sentence(part: Part) -> str:
    return "   ".join(
        f"{name} {depth['waiting']:,}" + (f" (+{depth['inHand']:,} in hand)" if depth["inHand"] else "")
        for name, depth in part.items()
    )


def _providers(wiring: StatusWiring) -> Part:
    now = wiring.stack.now()
    series = wiring.metrics.sums("EnrichProfile", list(PROVIDER_METRICS), now - HOUR, now + MINUTE)
    return {
        name: {
            "last5Minutes": round(sum(count for at, count in points if at >= now - RECENT)),
            "lastHour": round(sum(count for _, count in points)),
        }
        for name, points in series.items()
    }


def _providers_sentence(part: Part) -> str:
    counts = [
        f"{words} {part[name]['last5Minutes']:,} ({part[name]['lastHour']:,} in the last hour)"
        for name, words in PROVIDER_METRICS.items()
        if words and part[name]["lastHour"]
    ]
    return "   ".join(counts) or "no error in the last hour"


def _causes(wiring: StatusWiring) -> Part:
    """Which provider and which code: from the step records of a sample of the owed users."""
    causes = wiring.stack.owed_causes
    return {
        "sample": causes.users,
        "causes": [
            {"step": step, "errorCode": code, "users": users} for (step, code), users in causes.counts.most_common()
        ],
    }


def _causes_sentence(part: Part) -> str:
    counts = [f"{cause['step']} {cause['errorCode']} {cause['users']:,}" for cause in part["causes"]]
    if not counts:
        return "no owed user has a failed step"
    return f"{'   '.join(counts[:4])}   (of {part['sample']:,} owed users looked at; {next_step('owed_users')})"


def _reconciler(wiring: StatusWiring) -> Part:
    now = wiring.stack.now()
    at = wiring.metrics.last_run(now)
    new = now - wiring.stack.deployed_at("ReconcileFunctionName") < RECONCILER_OVERDUE if at is None else False
    return {"lastCompleted": at and rfc3339(at), "secondsAgo": at and max(0, now - at) // 1000, "newlyDeployed": new}


def _reconciler_sentence(part: Part) -> str:
    if part["newlyDeployed"]:
        return "has not run yet; the stack was deployed less than 15 minutes ago"
    ago = part["secondsAgo"]
    return (
        "no completed run in the last three hours"
        if ago is None
        else f"completed a run {format_duration(ago * 1000)} ago"
    )


PARTS: dict[str, tuple[Callable[[StatusWiring], Part], Callable[[Part], str]]] = {
    "signups": (_signups, _signups_sentence),
    "owed": (_owed, _owed_sentence),
    "users": (_users, _users_sentence),
    "queues": (_queues, _queues_sentence),
    "providers": (_providers, _providers_sentence),
    "waitingFor": (_causes, _causes_sentence),
    "reconciler": (_reconciler, _reconciler_sentence),
}
