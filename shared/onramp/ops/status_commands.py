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

from onramp.ops.deployment import Deployed
from onramp.ops.desk import Desk
from onramp.ops.errors import DeskError
from onramp.ops.output import Output
from onramp.ops.status import Status, lines, read
from onramp.ops.text import visible
from onramp.ops.when import clock


def status(
    context: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Keep it on the screen until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 5.0,
    times: Annotated[int | None, typer.Option(min=1, help="Stop watching after so many looks.")] = None,
) -> None:
    """Signups, what is owed, queues, provider errors and the reconciler, at a glance.

    What cannot be read shows as "-", with the reason below. Metrics are a minute behind.
    """
    desk: Desk = context.obj
    if watch and desk.out.as_json:
        raise DeskError("--watch draws on the screen: leave it out with --json.")

    def look() -> Status:
        return read(Deployed.of(desk))

    if watch:
        watched(desk.out, look, every, times)
        return
    found = look()
    desk.out.result(found.data, lambda: desk.out.screen.print(drawn(found, desk.name), soft_wrap=True))


def watched(
    out: Output,
    look: Callable[[], Status],
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


def drawn(found: Status, stack: str = "") -> Group:
    table = Table.grid(padding=(0, 2))
    for name, sentence in lines(found):
        table.add_row(Text(name, style="bold"), Text(visible(sentence)))
    head = Text(f"{stack} {clock(found.at)}".strip(), style="dim")
    reasons = [Text(visible(f"{name}: {why}"), style="yellow") for name, why in found.reasons.items()]
    return Group(head, table, *reasons)
