"""What the pipeline owes: to how many users, since when, and who has to act."""

from __future__ import annotations

from collections.abc import Iterator

from onramp.domain.users import Owed
from onramp.ops.common.deployment import Deployment
from onramp.ops.common.metrics import MINUTE
from onramp.ops.common.when import format_duration
from onramp.ops.doctor.findings import Cause, Finding, ok, trouble

DAY = 24 * 60 * MINUTE
EMIT_OVERDUE = 30 * MINUTE  # six runs of the reconciler
WHY = {
    Owed.EMIT: "consumers have not received their UserSignedUp.",
    Owed.ENRICH: "their profiles are not complete.",
    Owed.OPERATOR: "they failed permanently: nothing happens until you act.",
}
CURES = {
    Owed.EMIT: "onramp doctor --only bus --only reconciler",
    Owed.ENRICH: "onramp status",
    Owed.OPERATOR: "onramp dlq list",
}
CAUSES = {Owed.EMIT: Cause.BUS, Owed.OPERATOR: Cause.DEAD_LETTERS}


def owed(stack: Deployment) -> Iterator[Finding]:
    now = stack.now()
    if not any(owing.count for owing in stack.owed_counts.values()):
        yield ok("no user is owed anything.")
    for kind, owing in stack.owed_counts.items():
        if owing.oldest is None or owing.due is None:
            continue
        count = f"{'at least ' if owing.at_least else ''}{owing.count:,}"
        users = f"{count} user{'s' * (owing.count != 1)}"
        what = f"`{kind}` is owed to {users}, for {format_duration(now - owing.oldest)} at the longest."
        overdue = now - owing.oldest > DAY or (kind is Owed.EMIT and now - owing.due > EMIT_OVERDUE)
        if kind is Owed.OPERATOR or overdue:
            yield trouble(what, WHY[kind], CURES[kind], CAUSES.get(kind), symptom=True)
        else:
            yield ok(f"{what} No action is needed.")
