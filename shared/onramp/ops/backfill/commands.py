"""`onramp backfill`: records for the users that a pool already has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from onramp.ops.backfill.backfill_command import DEFAULT_RATE, BackfillCommand
from onramp.ops.backfill.wiring import BackfillWiring
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import CommandFailed
from onramp.ops.common.options import Yes
from onramp.ops.common.queue_room import MOST_IN_QUEUE


def backfill(
    ctx: typer.Context,
    apply: Annotated[bool, typer.Option("--apply", help="Write the records. Without it: a dry run.")] = False,
    pool: Annotated[str, typer.Option(help="Only this user pool.", show_default="every pool of the stack")] = "",
    rate: Annotated[
        float, typer.Option(min=0.01, help="Pages of 60 users a second; Cognito allows the whole account 30.")
    ] = DEFAULT_RATE,
    max_queue: Annotated[
        int, typer.Option("--max-queue", min=0, help="Wait while the provisioning queue is longer; 0: never wait.")
    ] = MOST_IN_QUEUE,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write the refused users, masked, with reasons.", dir_okay=False)
    ] = None,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="E-mail addresses unmasked in the file; the audit log records it.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume/--anew", help="Continue an interrupted --apply, or start again.")
    ] = True,
    yes: Yes = False,
) -> None:
    """Create records for the users that the pool already has, by the trigger's rules. Without --apply: a dry run.

    It waits while the provisioning queue is long: live signups keep their usual time.
    Safe to interrupt and to run again: users with a record are skipped. Run `onramp backfill --csv refused.csv` first,
    then `onramp backfill --apply`.
    """
    context: OperatorContext = ctx.obj
    command = BackfillCommand(pool, apply, rate, max_queue, csv, reveal, resume, yes)
    report = command.run(context, BackfillWiring.of(context))
    context.out.result(report.data(), lambda: report.show(context.out))
    if csv:
        context.out.say(f"The refused users, with reasons: {csv}")
    if report.failed:
        raise CommandFailed(f"{report.failed} users could not be written: run the command again; it skips the others.")
