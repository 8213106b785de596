"""Writes the figures of a bench into a page, between the two comments with the bench's name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from scripts.build import ROOT

PAGE = ROOT / "docs" / "performance.md"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """In Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(name: str, text: str, page: Path = PAGE) -> None:
    """Raises ValueError where the page has no place for it."""
    block = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- end of {name} -->)", re.DOTALL)
    content, places = block.subn(lambda found: f"{found[1]}{text}{found[2]}", page.read_text())
    if places != 1:
        raise ValueError(f"{page.name} has {places} places for {name}")
    page.write_text(content)
