"""`onramp demo`: the story of a signup, live, on a stack of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

STOPPED = 130  # what a shell expects of a program that Ctrl-C ended


def demo(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    record: Annotated[Path | None, typer.Option(dir_okay=False, help="Also draw what is shown into this SVG.")] = None,
) -> None:
    """Watch signups go through every station, and what breaks on the way mend itself."""
    from onramp.local.demo.expectations import ExpectationFailed
    from onramp.local.demo.screen import Screen
    from onramp.local.demo.story import tell

    screen = Screen(record=record is not None)
    try:
        tell(screen, port)
    except ExpectationFailed:
        raise typer.Exit(1) from None  # the screen has named it
    except KeyboardInterrupt:
        screen.say("Stopped: every process has ended and nothing was kept.")
        raise typer.Exit(STOPPED) from None
    if record:
        screen.save(record)
