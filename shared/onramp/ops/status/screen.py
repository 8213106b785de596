"""A status report on the screen, once or refreshed."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from onramp.ops.common.output import Output
from onramp.ops.common.text import visible
from onramp.ops.common.when import format_time
from onramp.ops.status.report import StatusReport, lines


def draw(report: StatusReport, stack: str = "") -> Group:
    table = Table.grid(padding=(0, 2))
    for name, sentence in lines(report):
        table.add_row(Text(name, style="bold"), Text(visible(sentence)))
    head = Text(f"{stack} {format_time(report.at)}".strip(), style="dim")
    reasons = [Text(visible(f"{name}: {reason}"), style="yellow") for name, reason in report.reasons.items()]
    return Group(head, table, *reasons)


def watch(
    out: Output,
    read: Callable[[], StatusReport],
    every: float,
    times: int | None,
    sleep: Callable[[float], None],
) -> None:
    """Reads every `every` seconds, `times` times or until Ctrl-C."""
    count = 0
    try:
        with Live(console=out.screen, auto_refresh=False, vertical_overflow="visible") as live:
            while times is None or count < times:
                if count:
                    sleep(every)
                live.update(draw(read()), refresh=True)
                count += 1
    except KeyboardInterrupt:
        out.say("Stopped watching.")
