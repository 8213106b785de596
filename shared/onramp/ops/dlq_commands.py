"""`onramp dlq`: why users are stuck, sending them again by cause, and the proof that it helped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onramp.ops.desk import Desk
from onramp.ops.dlq import export as files
from onramp.ops.dlq import screen
from onramp.ops.dlq.drop_order import DropOrder
from onramp.ops.dlq.filters import Filter, filter_from
from onramp.ops.dlq.find import found
from onramp.ops.dlq.groups import Groups
from onramp.ops.dlq.native import NativeMove, moved
from onramp.ops.dlq.options import (
    Identity,
    Limit,
    Queue,
    Queues,
    Reason,
    Reveal,
    Since,
    Step,
    Until,
    User,
    Version,
    Yes,
)
from onramp.ops.dlq.parts import parts_of
from onramp.ops.dlq.redrive_order import RedriveOrder
from onramp.ops.dlq.scan import counted, elsewhere, revealing
from onramp.ops.dlq.walk import Walk
from onramp.ops.errors import DeskError

app = typer.Typer(
    help="Dead letters: why users are stuck, sending them again by cause, and the proof that it helped.",
    no_args_is_help=True,
)


@app.command("list")
def list_(context: typer.Context, queue: Queue = Queues.ALL, reveal: Reveal = False) -> None:
    """Dead letters of both queues, grouped by step and reason: how many, how old, of which code.

    Nothing is taken out: each letter is held for a moment and given back.
    What another reader holds is counted.
    """
    desk: Desk = context.obj
    parts = parts_of(desk)
    held = elsewhere(parts, queue.names)
    with revealing(desk, "dlq list", reveal), Walk(parts, queue.names) as walk:
        groups = Groups.of(counted(desk, walk))
    data = {
        "count": groups.count,
        "complete": walk.complete,
        "heldByOthers": held,
        "groups": groups.rows(reveal=reveal),
    }

    def show() -> None:
        if groups:
            screen.show_groups(desk.out, groups, desk.now(), reveal=reveal)
        else:
            desk.out.line("There are no dead letters.")

    desk.out.result(data, show)
    screen.say_held(desk.out, held)
    if not walk.complete:
        desk.out.say(f"There are more: these are the first {groups.count:,}.")


@app.command()
def show(
    context: typer.Context,
    identity: Annotated[str, typer.Argument(metavar="ID", help="A message id, or its beginning.")],
    reveal: Reveal = False,
) -> None:
    """Everything about one dead letter, what its user is owed now, and the command to run next."""
    desk: Desk = context.obj
    parts = parts_of(desk)
    with revealing(desk, "dlq show", reveal):
        letter = found(desk, parts, identity)
        user = parts.users.get(letter.user_id) if letter.user_id else None
        profile = parts.profiles.get(letter.sub) if letter.sub else None
    data = screen.letter_data(letter, user, profile, reveal=reveal)
    desk.out.result(data, lambda: screen.show_letter(desk.out, letter, data, desk.now()))


@app.command()
def redrive(
    context: typer.Context,
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
    desk: Desk = context.obj
    wanted = _filter(desk, identity, reason, step, code_version, user, since, until)
    if native:
        if wanted.given or limit or from_table or queue is Queues.DELIVERY:
            raise DeskError("SQS's own redrive moves the whole ProvisioningDlq: leave out the filters, or --native.")
        _move(desk, rate, yes=yes)
        return
    order = RedriveOrder(wanted, queue.names, limit, rate, canary, wait, from_table, yes)
    report = order.carry_out(desk, parts_of(desk))
    desk.out.result(report.data(), lambda: screen.show_report(desk.out, report))
    raise typer.Exit(1 if report.trouble else 0)


def _move(desk: Desk, rate: int, *, yes: bool) -> None:
    count = moved(desk, NativeMove(parts_of(desk)), rate, yes=yes)
    desk.out.result(
        {"moved": count}, lambda: desk.out.line(f"SQS moved {count}. See what became of them: onramp status")
    )


@app.command()
def export(
    context: typer.Context,
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
    desk: Desk = context.obj
    wanted = _filter(desk, identity, reason, step, code_version, user, since, until)
    parts = parts_of(desk)
    with files.private_file(file) as out, revealing(desk, "dlq export", reveal), Walk(parts, queue.names) as walk:
        letters = (letter for letter in counted(desk, walk) if wanted(letter))
        count = files.write(out, letters, as_csv=as_csv, reveal=reveal)
    desk.out.result({"file": str(file), "count": count}, lambda: desk.out.line(f"Written to {file}: {count:,}."))


@app.command()
def drop(
    context: typer.Context,
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
    desk: Desk = context.obj
    wanted = _filter(desk, identity, reason, step, code_version, user, since, until)
    if not reason_why.strip():
        raise DeskError("say why they may go: --reason-why 'test traffic'.")
    if not wanted.given and not everything:
        raise DeskError("which ones? Give a filter, or say --all.")
    dropped = DropOrder(wanted, queue.names, limit, reason_why, yes).carry_out(desk, parts_of(desk))
    desk.out.result(dropped.data(), lambda: desk.out.line(f"Deleted: {dropped.count:,}."))
    raise typer.Exit(1 if dropped.undeleted else 0)


def _filter(
    desk: Desk,
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
        now=desk.now(),
    )
