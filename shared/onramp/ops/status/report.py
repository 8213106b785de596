"""The pipeline at a glance: each part is read by itself, and what cannot be read says why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from onramp.domain.errors import RetryableError
from onramp.domain.event_data import rfc3339
from onramp.domain.users import Owed
from onramp.ops.common.deployment import Deployment
from onramp.ops.common.metrics import MINUTE, Metrics
from onramp.ops.common.when import lasting
from onramp.ops.doctor.findings import reason

LATELY, HOUR = 5 * MINUTE, 60 * MINUTE
TROUBLES = {
    "Retried": "retried",
    "ProviderKeyRejected": "key refused",
    "SecretUnreadable": "key unreadable",
    "RetriesExhausted": "given up",
    "PermanentFailure": "refused for good",
    "WorkerBug": "bugs",
}
QUEUES = ("ProvisioningQueue", "ProvisioningDlq", "EventDeliveryDlq")
Part = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StatusReport:
    """`parts` by name, None where one could not be read; then `reasons` has why. `at` in Unix milliseconds."""

    at: int
    parts: Mapping[str, Part | None]
    reasons: Mapping[str, str]

    @property
    def data(self) -> dict[str, Any]:
        return {"at": rfc3339(self.at), **self.parts, "unreadable": dict(self.reasons)}


def read(stack: Deployment) -> StatusReport:
    parts: dict[str, Part | None] = {}
    reasons = {}
    for name, (look, _) in PARTS.items():
        try:
            parts[name] = look(stack)
        except (ClientError, BotoCoreError, RetryableError) as error:
            parts[name], reasons[name] = None, reason(error)
    return StatusReport(stack.now(), parts, reasons)


def lines(status: StatusReport) -> list[tuple[str, str]]:
    """Name and sentence of each part."""
    return [(name, say(part) if (part := status.parts[name]) else "-") for name, (_, say) in PARTS.items()]


def _signups(stack: Deployment) -> Part:
    now = stack.now()
    metrics = Metrics(stack.client("cloudwatch"), stack.name)
    found = metrics.sums("PostConfirmation", ["SignedUp", "SignupRejected"], now - HOUR, now + MINUTE)
    lately = sum(count for at, count in found["SignedUp"] if at >= now - LATELY)
    hour = {name: round(sum(count for _, count in series)) for name, series in found.items()}
    return {
        "perMinute": round(lately / (LATELY / MINUTE), 1),
        "lastHour": hour["SignedUp"],
        "refusedLastHour": hour["SignupRejected"],
    }


def _say_signups(part: Part) -> str:
    many, refused = part["lastHour"], part["refusedLastHour"]
    return f"{part['perMinute']:,} a minute (last 5 min), {many:,} in the last hour; {refused:,} refused"


def _owed(stack: Deployment) -> Part:
    since = [debts.oldest for debts in stack.debts.values() if debts.oldest is not None]
    oldest = (stack.now() - min(since)) // 1000 if since else None
    return {kind.value: debts.count for kind, debts in stack.debts.items()} | {"oldestSeconds": oldest}


def _say_owed(part: Part) -> str:
    counts = "   ".join(f"{kind} {part[kind]:,}" for kind in Owed)
    oldest = part["oldestSeconds"]
    return counts if oldest is None else f"{counts}   the oldest for {lasting(oldest * 1000)}"


def _users(stack: Deployment) -> Part:
    """From the tables' own counts, which DynamoDB brings up to date every six hours."""
    describe = stack.client("dynamodb").describe_table
    users, profiles = (
        int(describe(TableName=stack.outputs[output])["Table"]["ItemCount"])
        for output in ("UsersTableName", "UserProfilesTableName")
    )
    unready = sum(stack.debts[kind].count for kind in (Owed.ENRICH, Owed.OPERATOR))
    return {"records": users, "readyAbout": max(0, profiles - unready)}


def _say_users(part: Part) -> str:
    return f"about {part['readyAbout']:,} ready of {part['records']:,} records"


def _queues(stack: Deployment) -> Part:
    return {
        name: {
            "waiting": int(found["ApproximateNumberOfMessages"]) + int(found["ApproximateNumberOfMessagesDelayed"]),
            "inHand": int(found["ApproximateNumberOfMessagesNotVisible"]),
        }
        for name in QUEUES
        for found in (stack.queue(f"{name}Url"),)
    }


def _say_queues(part: Part) -> str:
    return "   ".join(
        f"{name} {depth['waiting']:,}" + (f" (+{depth['inHand']:,} in hand)" if depth["inHand"] else "")
        for name, depth in part.items()
    )


def _providers(stack: Deployment) -> Part:
    now = stack.now()
    metrics = Metrics(stack.client("cloudwatch"), stack.name)
    found = metrics.sums("EnrichProfile", list(TROUBLES), now - HOUR, now + MINUTE)
    return {
        name: {
            "last5Minutes": round(sum(count for at, count in series if at >= now - LATELY)),
            "lastHour": round(sum(count for _, count in series)),
        }
        for name, series in found.items()
    }


def _say_providers(part: Part) -> str:
    said = [
        f"{words} {part[name]['last5Minutes']:,} ({part[name]['lastHour']:,} in the last hour)"
        for name, words in TROUBLES.items()
        if part[name]["lastHour"]
    ]
    return "   ".join(said) or "no error in the last hour"


def _reconciler(stack: Deployment) -> Part:
    at = Metrics(stack.client("cloudwatch"), stack.name).last_run(stack.now())
    return {"lastCompleted": at and rfc3339(at), "secondsAgo": at and max(0, stack.now() - at) // 1000}


def _say_reconciler(part: Part) -> str:
    ago = part["secondsAgo"]
    return "no completed run in the last three hours" if ago is None else f"completed a run {lasting(ago * 1000)} ago"


PARTS: dict[str, tuple[Callable[[Deployment], Part], Callable[[Part], str]]] = {
    "signups": (_signups, _say_signups),
    "owed": (_owed, _say_owed),
    "users": (_users, _say_users),
    "queues": (_queues, _say_queues),
    "providers": (_providers, _say_providers),
    "reconciler": (_reconciler, _say_reconciler),
}
