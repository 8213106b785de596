"""`onramp replay`: delivers UserSignedUp again, from the archive to one rule or from the table to every rule."""

from __future__ import annotations

from typing import Annotated

import typer

from onramp.domain.users import Owed, Status
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import UsageError
from onramp.ops.common.options import Yes
from onramp.ops.common.queue_room import MOST_IN_QUEUE
from onramp.ops.common.when import parse_time
from onramp.ops.replay.archive import Window
from onramp.ops.replay.archive_command import ArchiveReplayCommand
from onramp.ops.replay.records import Query
from onramp.ops.replay.table_command import DEFAULT_RATE, TableReplayCommand
from onramp.ops.replay.wiring import ReplayWiring

ARCHIVE_DELAY = "10m"
"""By then every event has reached the archive."""


def replay(
    ctx: typer.Context,
    start: Annotated[str, typer.Option("--from", help="2026-11-20T09:00Z, or 2h for two hours ago.")],
    end: Annotated[
        str, typer.Option("--to", help="The same forms.", show_default="ten minutes ago; with --from-table: now")
    ] = "",
    consumer: Annotated[
        str | None, typer.Option(help="The rule to replay to.", show_default="the one of the stack's own queue")
    ] = None,
    archive: Annotated[
        str | None, typer.Option(help="Where the bus has several archives.", show_default="its only one")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Even if it was replayed before; from the start.")] = False,
    from_table: Annotated[
        bool, typer.Option("--from-table", help="Re-emit from the records: to EVERY rule, by the time of linking.")
    ] = False,
    status: Annotated[Status | None, typer.Option(help="With --from-table: only users with this status.")] = None,
    owed: Annotated[Owed | None, typer.Option(help="With --from-table: only users who are owed this.")] = None,
    rate: Annotated[float, typer.Option(min=0.1, help="With --from-table: events a second.")] = DEFAULT_RATE,
    max_queue: Annotated[
        int,
        typer.Option(
            "--max-queue", min=0, help="With --from-table: wait while the provisioning queue is longer; 0: never wait."
        ),
    ] = MOST_IN_QUEUE,
    yes: Yes = False,
) -> None:
    """Deliver UserSignedUp again: from the archive to one rule, or from the table to every rule.

    Each event keeps its eventId: consumers deduplicate by it, and the worker acknowledges users who are provisioned.

    Example: onramp replay --from 3h --to 1h --consumer billing-signups
    """
    context: OperatorContext = ctx.obj
    now = context.now()
    window = Window(parse_time(start, now), parse_time(end or ("0s" if from_table else ARCHIVE_DELAY), now))
    if from_table and (consumer or archive):
        raise UsageError("--from-table reaches every rule of the bus: remove --consumer and --archive.")
    if not from_table and (status or owed):
        raise UsageError("the archive has neither the status nor what is owed: add --from-table.")
    command = (
        TableReplayCommand(Query(window.start, window.end, status, owed), rate, max_queue, again, yes)
        if from_table
        else ArchiveReplayCommand(window, consumer, archive, again, yes)
    )
    report = command.run(context, ReplayWiring.of(context))
    context.out.result(report.data(), lambda: report.show(context.out))
    raise typer.Exit(1 if report.needs_attention else 0)
