"""What the pipeline owes: to how many users, since when, and who has to act."""

from __future__ import annotations

from collections.abc import Iterator

from onramp.domain.users import Owed
from onramp.ops.common.deployment import Deployment
from onramp.ops.common.metrics import MINUTE
from onramp.ops.common.next_steps import next_step
from onramp.ops.common.shell import command
from onramp.ops.common.when import format_duration
from onramp.ops.doctor.findings import Cause, Finding, ok, trouble
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
CAUSES = {Owed.EMIT: Cause.BUS, Owed.ENRICH: Cause.OWED, Owed.OPERATOR: Cause.DEAD_LETTERS}


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
            letters = _dead_letters(stack)
            cure = command(CURES[kind]) if kind in CURES else _operators_cure(letters, owing.count)
            # Users without a letter have a cure of their own, which the line of the dead letters does not say.
            symptom = kind is not Owed.OPERATOR or letters >= owing.count
            yield trouble(what + _last_errors(stack, kind), WHY[kind], cure, CAUSES.get(kind), symptom=symptom)
        else:
            yield ok(f"{what} No action is needed.")


def _last_errors(stack: Deployment, kind: Owed) -> str:
    """Part of what is the case: a line that is told with its cause keeps no other part."""
    if kind is Owed.EMIT or not (causes := stack.owed_causes).counts:
        return ""
    return f" Last errors of {causes.users:,} owed users: {causes.sentence()}; see {next_step('owed_users')}."


def _dead_letters(stack: Deployment) -> int:
    return sum(dead_letter_count(stack, output) for output in DEAD_LETTERS)


def _operators_cure(letters: int, users: int) -> str:
    """A letter that was dropped or has expired leaves its user owed: then only the table can be redriven."""
    if not letters:
        return next_step("owed_without_letter")
    return next_step("owed_with_letter" if letters >= users else "owed_some_with_letter")
