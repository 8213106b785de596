"""What the pipeline owes: to how many users, since when, and who has to act."""

from __future__ import annotations

from collections.abc import Iterator

from onramp.domain.users import Owed
from onramp.ops.common.deployment import Deployment
from onramp.ops.common.metrics import MINUTE
from onramp.ops.common.next_steps import next_step
from onramp.ops.common.when import format_duration
from onramp.ops.doctor.findings import Finding, ok, trouble
from onramp.ops.doctor.queues import DEAD_LETTERS, dead_letter_count

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
}


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
        why = WHY[kind]
        if kind is not Owed.EMIT and (causes := stack.owed_causes).counts:
            why += f" Last errors of {causes.users:,} owed users: {causes.sentence()}; see onramp user list."
        overdue = now - owing.oldest > DAY or (kind is Owed.EMIT and now - owing.due > EMIT_OVERDUE)
        if kind is Owed.OPERATOR or overdue:
            yield trouble(what, why, CURES.get(kind) or _operators_cure(stack, owing.count))
        else:
            yield ok(f"{what} No action is needed.")


def _operators_cure(stack: Deployment, users: int) -> str:
    """A letter that was dropped or has expired leaves its user owed: then only the table can be redriven."""
    letters = sum(dead_letter_count(stack, output) for output in DEAD_LETTERS)
    if not letters:
        return next_step("owed_without_letter")
    return next_step("owed_with_letter" if letters >= users else "owed_some_with_letter")
