"""`onramp dlq`: lists dead letters by cause, redrives them, exports them, drops them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import UsageError
from onramp.ops.common.options import Reveal, Yes, with_option_groups
from onramp.ops.common.private_file import private_file
from onramp.ops.common.queue_reader import QueueReader
from onramp.ops.dlq import screen
from onramp.ops.dlq.drop_command import DropCommand
from onramp.ops.dlq.export import write_letters
from onramp.ops.dlq.groups import LetterGroups
from onramp.ops.dlq.native import NativeMove, move_all
from onramp.ops.dlq.options import FilterOptions, Limit, Queue, Queues
from onramp.ops.dlq.redrive_command import RedriveCommand
from onramp.ops.dlq.scan import count_held_by_others, find_letter, with_progress
from onramp.ops.dlq.wiring import DlqWiring

app = typer.Typer(
    help="Dead letters: why users are stuck, redriving them by cause, and the check that it worked.",
    no_args_is_help=True,
)


@app.command("list")
def list_(ctx: typer.Context, queue: Queue = Queues.ALL, reveal: Reveal = False) -> None:
    """Dead letters of both queues, grouped by step and reason, with count, age and code version.

    Nothing is deleted: each letter is hidden from other readers for a
    moment. Letters that another reader holds are only counted.
    """
    context: OperatorContext = ctx.obj
    wiring = DlqWiring.of(context)
    held_by_others = count_held_by_others(wiring, queue.names)
    with (
        context.audit_reveal("dlq list", reveal=reveal) as entry,
        QueueReader(wiring.dead_letters, queue.names) as reader,
    ):
        groups = LetterGroups.of(with_progress(context, reader))
        entry.count = len(groups)  # an address of each is shown
    data = {
        "count": groups.count,
        "complete": reader.complete,
        "heldByOthers": held_by_others,
        "groups": groups.rows(reveal=reveal),
        "next": [step for _, step in screen.group_steps(groups.rows())],
    }
    owed = 0 if groups or held_by_others else wiring.owed_to_operator()
    context.out.result(
        data,
        lambda: screen.show_groups(context.out, groups, context.now(), owed=owed, reveal=reveal),
    )
    screen.say_held_by_others(context.out, held_by_others)
    if not reader.complete:
        context.out.say(f"There are more: these are the first {groups.count:,}.")


@app.command()
def show(
    ctx: typer.Context,
    identity: Annotated[str, typer.Argument(metavar="ID", help="A message id, or its beginning.")],
    reveal: Reveal = False,
) -> None:
    """One dead letter in full, what its user is owed now, and the command to run next."""
    context: OperatorContext = ctx.obj
    wiring = DlqWiring.of(context)
    with context.audit_reveal("dlq show", reveal=reveal) as entry:
        letter = find_letter(context, wiring, identity)
        entry.count = 1
        user = wiring.users.get(letter.user_id) if letter.user_id else None
        profile = wiring.profiles.get(letter.sub) if letter.sub else None
        forgotten = letter.sub is not None and wiring.tombstones.is_forgotten(letter.sub)
    data = screen.letter_data(letter, user, profile, forgotten=forgotten, reveal=reveal)
    context.out.result(data, lambda: screen.show_letter(context.out, letter, data, context.now()))


@app.command()
@with_option_groups
def redrive(
    ctx: typer.Context,
    filters: FilterOptions,
    limit: Limit = None,
    rate: Annotated[int, typer.Option(min=0, help="Users a second; 0: unlimited.")] = 100,
    canary: Annotated[bool, typer.Option(help="1 user first, then 10, then the rest.")] = True,
    wait: Annotated[int, typer.Option(min=0, help="Seconds to verify each stage; 0: no check, no canary.")] = 120,
    from_table: Annotated[
        bool, typer.Option("--from-table", help="Users owed to the operator whose letter has expired from the queue.")
    ] = False,
    native: Annotated[
        bool, typer.Option("--native", help="Let SQS move the whole queue: no filter, no canary, no check.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Send users through the pipeline again, by cause, and verify the result.

    One user first, then ten, then the rest; it stops when the same reason
    comes back. A letter is deleted only after its message was confirmed:
    Ctrl-C, a crash or a second operator cannot lose a user.

    Example: onramp dlq redrive --reason stripe_refused_400 --since 2h
    """
    context: OperatorContext = ctx.obj
    letter_filter = filters.letter_filter(context.now())
    if native:
        if not letter_filter.is_empty or limit or from_table or filters.queue is Queues.DELIVERY:
            raise UsageError("SQS's own redrive moves the whole ProvisioningDlq: leave out the filters, or --native.")
        moved = move_all(context, NativeMove(DlqWiring.of(context)), rate, yes=yes)
        context.out.result({"moved": moved}, lambda: screen.show_moved(context.out, moved))
        return
    command = RedriveCommand(letter_filter, filters.queue.names, limit, rate, canary, wait, from_table, yes)
    report = command.run(context, DlqWiring.of(context))
    context.out.result(report.data(), lambda: screen.show_report(context.out, report))
    raise typer.Exit(1 if report.needs_attention else 0)


@app.command()
@with_option_groups
def export(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A new file; only you can read it.")],
    filters: FilterOptions,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV instead of JSON lines.")] = False,
    reveal: Reveal = False,
) -> None:
    """Write dead letters to a file of mode 0600, personal data masked. Nothing is deleted from the queues."""
    context: OperatorContext = ctx.obj
    letter_filter = filters.letter_filter(context.now())
    wiring = DlqWiring.of(context)
    with (
        private_file(file) as out,
        context.audit_reveal("dlq export", reveal=reveal) as entry,
        QueueReader(wiring.dead_letters, filters.queue.names) as reader,
    ):
        letters = filter(letter_filter.matches, with_progress(context, reader))
        count = entry.count = write_letters(out, letters, as_csv=as_csv, reveal=reveal)
    context.out.result({"file": str(file), "count": count}, lambda: context.out.line(f"Written to {file}: {count:,}."))


@app.command()
@with_option_groups
def drop(
    ctx: typer.Context,
    reason_why: Annotated[str, typer.Option("--reason-why", help="Why they can go; kept in the audit log.")],
    filters: FilterOptions,
    limit: Limit = None,
    everything: Annotated[bool, typer.Option("--all", help="Without any filter.")] = False,
    yes: Yes = False,
) -> None:
    """Delete dead letters for good. Their users stay failed, and owed to the operator.

    Example: onramp dlq drop --reason malformed_event --reason-why "test traffic of 3 March"
    """
    context: OperatorContext = ctx.obj
    letter_filter = filters.letter_filter(context.now())
    if not reason_why.strip():
        raise UsageError("the reason is empty: give one, as --reason-why 'test traffic'.")
    if letter_filter.is_empty and not everything:
        raise UsageError("no filter is given: give one, or --all.")
    command = DropCommand(letter_filter, filters.queue.names, limit, reason_why, yes)
    report = command.run(context, DlqWiring.of(context))
    context.out.result(report.data(), lambda: screen.show_dropped(context.out, report.dropped))
    raise typer.Exit(1 if report.undeleted else 0)
