"""`onramp status`: the pipeline at a glance, once or live."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from onramp.ops.common.context import OperatorContext
from onramp.ops.common.deployment import Deployment
from onramp.ops.common.errors import UsageError
from onramp.ops.common.output import Output
from onramp.ops.common.text import visible
from onramp.ops.common.when import clock
from onramp.ops.status.report import StatusReport, lines, read


def status(
    ctx: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Keep it on the screen until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 5.0,
    times: Annotated[int | None, typer.Option(min=1, help="Stop watching after so many looks.")] = None,
) -> None:
    """Signups, what is owed, queues, provider errors and the reconciler, at a glance.

    What cannot be read shows as "-", with the reason below. Metrics are a minute behind.
    """
    context: OperatorContext = ctx.obj
    if watch and context.out.as_json:
        raise UsageError("--watch draws on the screen: leave it out with --json.")

    def look() -> StatusReport:
        return read(Deployment.of(context))

    if watch:
        watched(context.out, look, every, times)
        return
    found = look()
    context.out.result(found.data, lambda: context.out.screen.print(drawn(found, context.name), soft_wrap=True))


def watched(
    out: Output,
    look: Callable[[], StatusReport],
    every: float,
    times: int | None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Looks again and again. Ctrl-C is how it ends."""
    looks = 0
    try:
        with Live(console=out.screen, auto_refresh=False, vertical_overflow="visible") as live:
            while times is None or looks < times:
                if looks:
                    sleep(every)
                live.update(drawn(look()), refresh=True)
                looks += 1
    except KeyboardInterrupt:
        out.say("Stopped watching.")


def drawn(found: StatusReport, stack: str = "") -> Group:
    table = Table.grid(padding=(0, 2))
    for name, sentence in lines(found):
        table.add_row(Text(name, style="bold"), Text(visible(sentence)))
    head = Text(f"{stack} {clock(found.at)}".strip(), style="dim")
    reasons = [Text(visible(f"{name}: {why}"), style="yellow") for name, why in found.reasons.items()]
    return Group(head, table, *reasons)
