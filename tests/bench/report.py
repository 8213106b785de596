"""Tables in Markdown, and the blocks of docs/performance.md that a bench writes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

PERFORMANCE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)


def with_block(page: str, name: str, block: str) -> str:
    """The page with `block` between its two comments of this name. Raises ValueError where it has no such comments."""
    place = re.compile(rf"(<!-- {name}: [^>]*-->\n).*?(<!-- end of {name} -->)", re.DOTALL)
    text, places = place.subn(lambda found: f"{found[1]}{block}\n{found[2]}", page)
    if places != 1:
        raise ValueError(f"the page has {places} places for {name}")
    return text
