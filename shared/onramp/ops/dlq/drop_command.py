"""Deletes dead letters for good. The users stay as they are: failed, and owed to the operator."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from onramp.ops.common.context import OperatorContext
from onramp.ops.common.dead_letters import Letter
from onramp.ops.common.queue_reader import BATCH, WORKING_SECONDS, QueueReader
from onramp.ops.dlq.filters import LetterFilter
from onramp.ops.dlq.plan import Plan
from onramp.ops.dlq.scan import confirm_plan, make_plan
from onramp.ops.dlq.wiring import DlqWiring


@dataclass(frozen=True, slots=True)
class DropReport:
    plan: Plan
    dropped: int = 0
    undeleted: int = 0

    def data(self) -> dict[str, Any]:
        return {"plan": self.plan.groups.rows(), "dropped": self.dropped, "notDeleted": self.undeleted}


@dataclass(frozen=True, slots=True)
class DropCommand:
    letter_filter: LetterFilter
    queues: Collection[str]
    limit: int | None
    why: str
    yes: bool

    def run(self, context: OperatorContext, wiring: DlqWiring) -> DropReport:
        """Drops malformed events too: a redrive does not help them."""
        queues = wiring.dead_letters
        plan = make_plan(context, lambda: QueueReader(queues, self.queues), self.letter_filter, skip_poison=False)
        if not plan.ids:
            return DropReport(plan)
        most = f", at most {self.limit} of them" if self.limit else ""
        lines = [f"Delete dead letters for good: {plan.groups.count:,}{most}", *plan.lines()]
        confirm_plan(context, [*lines, "  Their users stay failed; no record is changed."], yes=self.yes)
        undeleted = 0
        with context.audited("dlq drop", why=self.why, **self.letter_filter.options()) as entry:
            with QueueReader(queues, self.queues, hold_seconds=WORKING_SECONDS) as reader:
                for batch in _batches(plan.select(reader), self.limit):
                    unconfirmed = len(reader.delete([letter.id for letter in batch]))
                    entry.count += len(batch) - unconfirmed
                    undeleted += unconfirmed
            entry.outcome = {"dropped": entry.count, "not_deleted": undeleted}
        return DropReport(plan, entry.count, undeleted)


def _batches(letters: Iterator[Letter], limit: int | None) -> Iterator[list[Letter]]:
    limited = islice(letters, limit)
    while batch := list(islice(limited, BATCH)):
        yield batch
