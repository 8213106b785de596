"""The demo's output: one line for each fact, with its time. Without a terminal, the same lines as plain text."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from onramp.ops.common.private_file import open_private

MAX_WIDTH = 90  # a time too far from its line is hard to read
INDENT = "  "
LABEL = 12
TIME = 10
MARKS = {
    "note": ("▸", "bold cyan"),
    "done": ("✓", "bold green"),
    "retry": ("↻", "bold yellow"),
    "failed": ("✗", "bold red"),
}


class Screen:
    def __init__(self, *, record: bool = False) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # replaces ✓ by ? where the encoding lacks it
        self._console = Console(highlight=False, record=record)
        self._console.width = min(self._console.width, MAX_WIDTH)
        self._chapters = 0

    def title(self, name: str, sentence: str) -> None:
        self._console.print(Text.assemble("\n", (name, "bold cyan"), "  ", sentence))

    def chapter(self, title: str, sentence: str) -> None:
        self._chapters += 1
        heading = Text.assemble((f"{self._chapters} ", "bold cyan"), (title, "bold"))
        self._console.print()
        self._console.print(Rule(heading, align="left", style="cyan"))
        self.paragraph(sentence)

    def paragraph(self, sentence: str) -> None:
        self._wrapped(Text(INDENT), Text(sentence, "italic"), self._console.width)

    def line(self, label: str, detail: str, millis: float | None = None, mark: str = "done") -> None:
        """One fact. `millis`: how long it took."""
        head = Text.assemble(INDENT, MARKS[mark], " ", (label.ljust(LABEL), "bold"))
        time = "" if millis is None else f"{millis:,.0f} ms"
        self._wrapped(head, Text(detail), self._console.width - (TIME if time else 0), time)

    def gap(self) -> None:
        self._console.print()

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        table = Table(
            box=box.SIMPLE_HEAD, show_edge=False, padding=0, expand=True, header_style="bold cyan", border_style="cyan"
        )
        for heading in headings:
            table.add_column(heading, overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        self._console.print(Padding(table, (1, 0, 1, len(INDENT))))

    def summary(self, sentence: str) -> None:
        self._console.print(Panel(Text(sentence, "bold"), border_style="green", box=box.ROUNDED))

    def failed(self, sentence: str, log: Sequence[str]) -> None:
        """`log`: the last log lines of the functions."""
        self.gap()
        self.line("failed", sentence, mark="failed")
        for entry in log:
            self.line("log", entry, mark="note")

    @contextmanager
    def waiting(self) -> Iterator[Callable[[str], None]]:
        """Shows a spinner. The yielded function sets what it waits for."""
        with self._console.status("") as status:
            yield lambda target: status.update(Text(f"waiting for {target}", "cyan"))

    def save(self, file: Path) -> None:
        """Writes the whole output as an SVG."""
        svg = self._console.export_svg(title="onramp demo")
        without_web_font = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)  # a viewer would download the font
        with os.fdopen(open_private(file, os.O_WRONLY | os.O_TRUNC), "w", encoding="utf-8") as out:
            out.write(without_web_font)

    def _wrapped(self, head: Text, text: Text, width: int, time: str = "") -> None:
        """Wraps the text itself: a table would pad every line with spaces, which stay in a log."""
        room = width - len(head)
        first, *rest = text.wrap(self._console, room, overflow="fold")
        first.rstrip()
        end = time.rjust(room - len(first) + TIME) if time else ""
        self._console.print(head + first + Text(end, "cyan"))
        for line in rest:
            line.rstrip()
            self._console.print(Text(" " * len(head)) + line)
