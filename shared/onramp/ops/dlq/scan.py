"""A look at everything, with a bar; and the plan that comes of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext

from onramp.ops.common.context import OperatorContext
from onramp.ops.common.dead_letters import Letter
from onramp.ops.dlq.filters import Filter
from onramp.ops.dlq.plan import Plan, Sources
from onramp.ops.dlq.wiring import DlqWiring


def with_progress(context: OperatorContext, letters: Iterable[Letter]) -> Iterator[Letter]:
    with context.out.progress() as bar:
        reading = bar.add_task("read", total=None)
        for letter in letters:
            yield letter
            bar.advance(reading)


def make_plan(context: OperatorContext, sources: Sources, wanted: Filter, *, leave_poison: bool = True) -> Plan:
    """Everything is given back before anybody is asked. Raises DeskError where the filter fits nothing."""
    with sources() as source:
        plan = Plan.of(with_progress(context, source), wanted, leave_poison=leave_poison)
        plan.complete = source.complete
    plan.check()
    return plan


def confirm_plan(context: OperatorContext, lines: list[str], *, yes: bool) -> None:
    """Shows the plan, a line at a time, and asks."""
    for line in lines[:-1]:
        context.out.say(line)
    context.out.confirm(lines[-1], yes=yes)


def held_by_others(parts: DlqWiring, queues: Collection[str]) -> int:
    """Letters that somebody else holds just now, about; asked before a walk holds any itself."""
    name = "ApproximateNumberOfMessagesNotVisible"
    replies = [parts.sqs.get_queue_attributes(QueueUrl=parts.dead[queue], AttributeNames=[name]) for queue in queues]
    return sum(int(reply.get("Attributes", {}).get(name, 0)) for reply in replies)


def revealing(context: OperatorContext, what: str, reveal: bool) -> AbstractContextManager[object]:
    """Personal data is shown only with a row in the audit."""
    return context.audited(f"reveal {what}") if reveal else nullcontext()
