"""What the pipeline still owes: to how many, for how long, and who has to act."""

from __future__ import annotations

from collections.abc import Iterator

from onramp.domain.users import Owed
from onramp.ops.common.deployment import Deployment
from onramp.ops.common.metrics import MINUTE
from onramp.ops.common.when import lasting
from onramp.ops.doctor.findings import Finding, ok, trouble

DAY = 24 * 60 * MINUTE
OVERDUE = 30 * MINUTE  # six runs of the reconciler
WHO = {
    Owed.EMIT: "the other teams have not heard of them.",
    Owed.ENRICH: "they have no complete profile.",
    Owed.OPERATOR: "they failed for good, and nothing more happens until you act.",
}
CURES = {Owed.EMIT: "onramp doctor --only bus --only reconciler", Owed.ENRICH: "onramp status"}


def owed(stack: Deployment) -> Iterator[Finding]:
    now = stack.now()
    if not any(debts.count for debts in stack.debts.values()):
        yield ok("nobody is owed anything.")
    for kind, debts in stack.debts.items():
        if debts.oldest is None or debts.due is None:
            continue
        many = f"{'at least ' if debts.at_least else ''}{debts.count:,}"
        users = f"{many} user{'s' * (debts.count != 1)}"
        what = f"`{kind}` is owed to {users}, for {lasting(now - debts.oldest)} at the longest."
        late = now - debts.oldest > DAY or (kind is Owed.EMIT and now - debts.due > OVERDUE)
        if kind is Owed.OPERATOR or late:
            yield trouble(what, WHO[kind], CURES.get(kind, "onramp dlq list"))
        else:
            yield ok(f"{what} That mends itself.")
