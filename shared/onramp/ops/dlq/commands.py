"""`onramp dlq`: why users are stuck, sending them again by cause, and the proof that it helped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import UsageError
from onramp.ops.common.options import Reveal, Yes
from onramp.ops.common.queue_reader import QueueReader
from onramp.ops.dlq import export as files
from onramp.ops.dlq import screen
from onramp.ops.dlq.drop_command import DropCommand
from onramp.ops.dlq.filters import Filter, filter_from
from onramp.ops.dlq.find import find_letter
from onramp.ops.dlq.groups import Groups
from onramp.ops.dlq.native import NativeMove, move_all
from onramp.ops.dlq.options import (
    Identity,
    Limit,
    Queue,
    Queues,
    Reason,
    Since,
    Step,
    Until,
    User,
    Version,
)
from onramp.ops.dlq.redrive_command import RedriveCommand
from onramp.ops.dlq.scan import held_by_others, revealing, with_progress
from onramp.ops.dlq.wiring import DlqWiring

app = typer.Typer(
    help="Dead letters: why users are stuck, sending them again by cause, and the proof that it helped.",
    no_args_is_help=True,
)


@app.command("list")
def list_(ctx: typer.Context, queue: Queue = Queues.ALL, reveal: Reveal = False) -> None:
    """Dead letters of both queues, grouped by step and reason: how many, how old, of which code.

    Nothing is taken out: each letter is held for a moment and given back.
    What another reader holds is counted.
    """
    context: OperatorContext = ctx.obj
    parts = DlqWiring.of(context)
    held = held_by_others(parts, queue.names)
    with revealing(context, "dlq list", reveal), QueueReader(parts, queue.names) as walk:
        groups = Groups.of(with_progress(context, walk))
    data = {
        "count": groups.count,
        "complete": walk.complete,
        "heldByOthers": held,
        "groups": groups.rows(reveal=reveal),
    }

    def show() -> None:
        if groups:
            screen.show_groups(context.out, groups, context.now(), reveal=reveal)
        else:
            context.out.line("There are no dead letters.")

    context.out.result(data, show)
    screen.say_held(context.out, held)
    if not walk.complete:
        context.out.say(f"There are more: these are the first {groups.count:,}.")


@app.command()
def show(
    ctx: typer.Context,
    identity: Annotated[str, typer.Argument(metavar="ID", help="A message id, or its beginning.")],
    reveal: Reveal = False,
) -> None:
    """Everything about one dead letter, what its user is owed now, and the command to run next."""
    context: OperatorContext = ctx.obj
    parts = DlqWiring.of(context)
    with revealing(context, "dlq show", reveal):
        letter = find_letter(context, parts, identity)
        user = parts.users.get(letter.user_id) if letter.user_id else None
        profile = parts.profiles.get(letter.sub) if letter.sub else None
    data = screen.letter_data(letter, user, profile, reveal=reveal)
    context.out.result(data, lambda: screen.show_letter(context.out, letter, data, context.now()))


@app.command()
def redrive(
    ctx: typer.Context,
    reason: Reason = None,
    step: Step = None,
    user: User = None,
    since: Since = None,
    until: Until = None,
    code_version: Version = None,
    identity: Identity = None,
    queue: Queue = Queues.ALL,
    limit: Limit = None,
    rate: Annotated[int, typer.Option(min=0, help="Users a second; 0 as fast as it goes.")] = 100,
    canary: Annotated[bool, typer.Option(help="1 user first, then 10, then the rest.")] = True,
    wait: Annotated[int, typer.Option(min=0, help="Seconds to look after each stage; 0: no look, no canary.")] = 120,
    from_table: Annotated[
        bool, typer.Option("--from-table", help="Users owed to the operator whose copy has expired from the queue.")
    ] = False,
    native: Annotated[
        bool, typer.Option("--native", help="Let SQS move the whole queue: no filter, no canary, no proof.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Send users through the pipeline again, by cause, and see that it helps.

    One user first, then ten, then the rest; it stops when the same reason
    comes back. A letter is deleted only after its message was confirmed, so
    that Ctrl-C, a crash or a colleague doing the same at once lose nothing.

    Example: onramp dlq redrive --reason stripe_refused_400 --since 2h
    """
    context: OperatorContext = ctx.obj
    wanted = _filter(context, identity, reason, step, code_version, user, since, until)
    if native:
        if wanted.given or limit or from_table or queue is Queues.DELIVERY:
            raise UsageError("SQS's own redrive moves the whole ProvisioningDlq: leave out the filters, or --native.")
        _move(context, rate, yes=yes)
        return
    order = RedriveCommand(wanted, queue.names, limit, rate, canary, wait, from_table, yes)
    report = order.carry_out(context, DlqWiring.of(context))
    context.out.result(report.data(), lambda: screen.show_report(context.out, report))
    raise typer.Exit(1 if report.trouble else 0)


def _move(context: OperatorContext, rate: int, *, yes: bool) -> None:
    count = move_all(context, NativeMove(DlqWiring.of(context)), rate, yes=yes)
    context.out.result(
        {"moved": count}, lambda: context.out.line(f"SQS moved {count}. See what became of them: onramp status")
    )


@app.command()
def export(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="A new file; only you may read it.")],
    reason: Reason = None,
    step: Step = None,
    user: User = None,
    since: Since = None,
    until: Until = None,
    code_version: Version = None,
    identity: Identity = None,
    queue: Queue = Queues.ALL,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV instead of JSON lines.")] = False,
    reveal: Reveal = False,
) -> None:
    """Write dead letters to a file of mode 0600, personal data masked. Nothing is taken out of the queues."""
    context: OperatorContext = ctx.obj
    wanted = _filter(context, identity, reason, step, code_version, user, since, until)
    parts = DlqWiring.of(context)
    with (
        files.private_file(file) as out,
        revealing(context, "dlq export", reveal),
        QueueReader(parts, queue.names) as walk,
    ):
        letters = (letter for letter in with_progress(context, walk) if wanted(letter))
        count = files.write(out, letters, as_csv=as_csv, reveal=reveal)
    context.out.result({"file": str(file), "count": count}, lambda: context.out.line(f"Written to {file}: {count:,}."))


@app.command()
def drop(
    ctx: typer.Context,
    reason_why: Annotated[str, typer.Option("--reason-why", help="Why they may go; kept in the audit.")],
    reason: Reason = None,
    step: Step = None,
    user: User = None,
    since: Since = None,
    until: Until = None,
    code_version: Version = None,
    identity: Identity = None,
    queue: Queue = Queues.ALL,
    limit: Limit = None,
    everything: Annotated[bool, typer.Option("--all", help="Without any filter.")] = False,
    yes: Yes = False,
) -> None:
    """Delete dead letters for good. Their users stay visible as failed, and owed to the operator.

    Example: onramp dlq drop --reason malformed_event --reason-why "test traffic of 3 March"
    """
    context: OperatorContext = ctx.obj
    wanted = _filter(context, identity, reason, step, code_version, user, since, until)
    if not reason_why.strip():
        raise UsageError("say why they may go: --reason-why 'test traffic'.")
    if not wanted.given and not everything:
        raise UsageError("which ones? Give a filter, or say --all.")
    dropped = DropCommand(wanted, queue.names, limit, reason_why, yes).carry_out(context, DlqWiring.of(context))
    context.out.result(dropped.data(), lambda: context.out.line(f"Deleted: {dropped.count:,}."))
    raise typer.Exit(1 if dropped.undeleted else 0)


def _filter(
    context: OperatorContext,
    identity: str | None,
    reasons: list[str] | None,
    steps: list[str] | None,
    code_versions: list[str] | None,
    user: str | None,
    since: str | None,
    until: str | None,
) -> Filter:
    return filter_from(
        identity=identity,
        reasons=reasons,
        steps=steps,
        code_versions=code_versions,
        user=user,
        since=since,
        until=until,
        now=context.now(),
    )
