"""`onramp demo`: signups, rejections and failures on a temporary local stack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

INTERRUPTED = 130  # a shell's exit code for a program that Ctrl-C ended


def demo(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 = any free port.")] = 0,
    record: Annotated[Path | None, typer.Option(dir_okay=False, help="Also write the output to this SVG file.")] = None,
) -> None:
    """Run signups, rejections and failures on a temporary local stack and show each stage."""
    from onramp.local.demo.checks import ExpectationFailed
    from onramp.local.demo.run import run_demo
    from onramp.local.demo.screen import Screen

    screen = Screen(record=record is not None)
    try:
        run_demo(screen, port)
    except ExpectationFailed:
        raise typer.Exit(1) from None  # already shown
    except KeyboardInterrupt:
        screen.paragraph("Stopped: all processes have ended, no data was kept.")
        raise typer.Exit(INTERRUPTED) from None
    if record:
        screen.save(record)
