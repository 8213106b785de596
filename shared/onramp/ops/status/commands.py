"""`onramp status`: the pipeline at a glance, once or refreshed."""

from __future__ import annotations

from typing import Annotated

import typer

from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import UsageError
from onramp.ops.status.report import StatusReport, read
from onramp.ops.status.screen import draw, watch
from onramp.ops.status.wiring import StatusWiring


def status(
    ctx: typer.Context,
    keep_watching: Annotated[bool, typer.Option("--watch", help="Refresh the screen until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two refreshes.")] = 5.0,
    times: Annotated[int | None, typer.Option(min=1, help="Stop after so many refreshes.")] = None,
) -> None:
    """Signups, what is owed, queues, provider errors and the reconciler, at a glance.

    A part that cannot be read shows as "-", with the reason below. Metrics are a minute old.
    """
    context: OperatorContext = ctx.obj
    if keep_watching and context.out.as_json:
        raise UsageError("--watch refreshes the screen: leave it out with --json.")

    def read_now() -> StatusReport:
        return read(StatusWiring.of(context))

    if keep_watching:
        watch(context.out, read_now, every, times, context.sleep)
        return
    report = read_now()
    context.out.result(report.data, lambda: context.out.screen.print(draw(report, context.name), soft_wrap=True))
