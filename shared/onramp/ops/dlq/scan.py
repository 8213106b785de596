"""Reads the queues for a command: with a progress bar, into a plan, or for one letter."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from onramp.ops.common.context import OperatorContext
from onramp.ops.common.dead_letters import Letter
from onramp.ops.common.errors import UsageError
from onramp.ops.common.next_steps import next_step
from onramp.ops.common.queue_reader import QueueReader
from onramp.ops.dlq.filters import LetterFilter
from onramp.ops.dlq.plan import OpenSource, Plan
from onramp.ops.dlq.wiring import DlqWiring

MESSAGE_ID_LENGTH = 36  # a UUID
MOST_MATCHES_NAMED = 5


def with_progress(context: OperatorContext, letters: Iterable[Letter]) -> Iterator[Letter]:
    with context.out.progress() as bar:
        reading = bar.add_task("read", total=None)
        for letter in letters:
            yield letter
            bar.advance(reading)


def make_plan(
    context: OperatorContext,
    open_source: OpenSource,
    letter_filter: LetterFilter,
    *,
    skip_poison: bool = True,
    may_be_empty: bool = False,
) -> Plan:
    """Releases every letter before it returns. Raises UsageError where the filter matches none of the letters."""
    with open_source() as source:
        plan = Plan.of(with_progress(context, source), letter_filter, skip_poison=skip_poison)
        plan.complete = source.complete
    if not may_be_empty:
        plan.require_match()
    return plan


def confirm_plan(context: OperatorContext, lines: list[str], *, yes: bool) -> None:
    """Prints the plan, one line at a time, and asks."""
    for line in lines[:-1]:
        context.out.say(line)
    context.out.confirm(lines[-1], yes=yes)


def find_letter(context: OperatorContext, wiring: DlqWiring, identity: str) -> Letter:
    """The one letter whose message id begins so. Raises UsageError where there is none, or more than one."""
    matches: list[Letter] = []
    with QueueReader(wiring.dead_letters, wiring.dead_letters.urls) as reader:
        for letter in with_progress(context, reader):
            if letter.id.startswith(identity):
                matches.append(letter)
                if len(identity) == MESSAGE_ID_LENGTH or len(matches) > MOST_MATCHES_NAMED:
                    break
    match matches:
        case [letter]:
            return letter
        case []:
            raise UsageError(f"no dead letter begins with '{identity}': {next_step('no_such_letter')}")
    ids = ", ".join(letter.id for letter in matches[:MOST_MATCHES_NAMED])
    more = " ..." if len(matches) > MOST_MATCHES_NAMED else ""
    raise UsageError(f"several dead letters begin with '{identity}': {ids}{more}.")


def count_held_by_others(wiring: DlqWiring, names: Collection[str]) -> int:
    """About how many letters other readers hold. Call it before a reader of this process holds any."""
    urls = [wiring.dead_letters.urls[name] for name in names]
    replies = [
        wiring.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"])
        for url in urls
    ]
    return sum(int(reply.get("Attributes", {}).get("ApproximateNumberOfMessagesNotVisible", "0")) for reply in replies)
