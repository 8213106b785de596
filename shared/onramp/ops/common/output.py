"""The output of every command: the result on stdout, as text or as one JSON document; the rest on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from onramp.ops.common.errors import UsageError
from onramp.ops.common.text import visible


class _Rate(ProgressColumn):
    """Items a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


class Output:
    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.screen = Console(highlight=False)
        self.talk = Console(stderr=True, highlight=False)

    def result(self, data: Any, show: Callable[[], None]) -> None:
        """The one result of a command: `data` as JSON, or the text that `show` prints."""
        if self.as_json:
            sys.stdout.write(json.dumps(data, indent=2, default=_plain) + "\n")
        else:
            show()

    def say(self, sentence: str, style: str = "") -> None:
        """Prints a sentence on stderr: not part of the result."""
        self.talk.print(Text(visible(sentence), style=style), soft_wrap=True)

    def line(self, sentence: str, style: str = "") -> None:
        """Prints a line of the result."""
        self.screen.print(Text(visible(sentence), style=style), soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
        if title:  # not the table's own title, which is folded to the width of the table
            self.line(title)
        table = Table(header_style="bold", box=None, pad_edge=False)
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(Text(visible("-" if cell is None else cell)) for cell in row))
        self.screen.print(table)

    def facts(self, facts: Mapping[str, object]) -> None:
        """Prints one line for each name and value."""
        width = max(map(len, facts), default=0)
        for name, value in facts.items():
            self.line(f"{name:<{width}}  {'-' if value is None else value}")

    def confirm(self, plan: str, *, yes: bool) -> None:
        """Shows the plan and asks. Raises UsageError where stdin is not a terminal; exits 1 where the answer is no."""
        self.say(plan)
        if yes:
            return
        if not sys.stdin.isatty():
            raise UsageError(
                "this command asks before it changes something, and stdin is not a terminal: add --yes to run it."
            )
        if not typer.confirm("Continue?", err=True):
            self.say("Nothing was changed.")
            raise typer.Exit(1)

    def progress(self) -> Progress:
        """A bar with count, rate and remaining time, on stderr and only on a terminal."""
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            TimeRemainingColumn(),
            console=self.talk,
            disable=not self.talk.is_terminal,
            transient=True,
        )


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, set | frozenset | tuple):
        return sorted(value) if isinstance(value, set | frozenset) else list(value)
    return str(value)
