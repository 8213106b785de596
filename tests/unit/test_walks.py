"""docs/architecture.md has three walks through the code. Each file on them exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STEP = re.compile(r"^(\d+)\. `([^`]+)` \S.*\.$", re.MULTILINE)


def walks() -> dict[str, list[str]]:
    """Title -> repo-relative paths, in order."""
    page = (ROOT / "docs/architecture.md").read_text()
    section = re.split(r"^## ", page.partition("\n## A stranger's walk\n")[2], flags=re.MULTILINE)[0]
    parts = (part.partition("\n") for part in re.split(r"^### ", section, flags=re.MULTILINE)[1:])
    return {title: [path for _, path in STEP.findall(text)] for title, _, text in parts}


WALKS = walks()


def test_there_are_three_and_each_has_its_length() -> None:
    from_readme, to_the_profile, forget = WALKS.values()
    assert from_readme[:2] == ["README.md", "functions/post_confirmation/handler.py"]
    assert to_the_profile[0] == "functions/enrich_profile/handler.py"
    assert forget[0] == "shared/onramp/ops/user/commands.py"
    assert len(forget) <= 6


@pytest.mark.parametrize(("walk", "path"), [(walk, path) for walk, paths in WALKS.items() for path in paths])
def test_each_file_exists(walk: str, path: str) -> None:
    assert (ROOT / path).is_file(), walk


def test_each_line_of_a_walk_is_a_step() -> None:
    page = (ROOT / "docs/architecture.md").read_text().partition("\n## A stranger's walk\n")[2]
    lines = re.findall(r"^\d+\. .*$", page.partition("\n## ")[0], re.MULTILINE)
    assert len(lines) == sum(len(paths) for paths in WALKS.values())
