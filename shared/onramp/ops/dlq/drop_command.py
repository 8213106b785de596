"""Deleting dead letters for good. The users stay what they are: failed, owed to the operator."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from onramp.ops.common.context import OperatorContext
from onramp.ops.common.dead_letters import Letter
from onramp.ops.common.queue_reader import BATCH, WORKING_SECONDS, QueueReader
from onramp.ops.dlq.filters import Filter
from onramp.ops.dlq.plan import Plan
from onramp.ops.dlq.scan import confirm_plan, make_plan
from onramp.ops.dlq.wiring import DlqWiring


@dataclass(frozen=True, slots=True)
class Dropped:
    plan: Plan
    count: int = 0
    undeleted: int = 0

    def data(self) -> dict[str, Any]:
        return {"plan": self.plan.groups.rows(), "dropped": self.count, "notDeleted": self.undeleted}


@dataclass(frozen=True, slots=True)
class DropCommand:
    wanted: Filter
    queues: Collection[str]
    limit: int | None
    why: str
    yes: bool

    def carry_out(self, context: OperatorContext, parts: DlqWiring) -> Dropped:
        """Poison too: that is what dropping is for."""
        plan = make_plan(context, lambda: QueueReader(parts, self.queues), self.wanted, leave_poison=False)
        if not plan.ids:
            return Dropped(plan)
        most = f", at most {self.limit} of them" if self.limit else ""
        lines = [f"Delete dead letters for good: {plan.groups.count:,}{most}", *plan.words()]
        confirm_plan(context, [*lines, "  Their users stay visible as failed; nothing else is changed."], yes=self.yes)
        undeleted = 0
        with context.audited("dlq drop", why=self.why, **self.wanted.words()) as entry:
            with QueueReader(parts, self.queues, hold=WORKING_SECONDS) as walk:
                for batch in _batches(plan.letters(walk), self.limit):
                    left = len(walk.delete([letter.id for letter in batch]))
                    entry.count += len(batch) - left
                    undeleted += left
            entry.outcome = {"dropped": entry.count, "not_deleted": undeleted}
        return Dropped(plan, entry.count, undeleted)


def _batches(letters: Iterator[Letter], limit: int | None) -> Iterator[list[Letter]]:
    some = islice(letters, limit)
    while batch := list(islice(some, BATCH)):
        yield batch
