"""Each test that docs/security.md names exists."""

from __future__ import annotations

import ast
import re

import pytest

from tests.infrastructure.translation import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)*)`", PAGE)))


@pytest.mark.parametrize("named", NAMED)
def test_a_test_that_the_page_names_exists(named: str) -> None:
    file, *path = named.split("::")
    node: ast.AST = ast.parse((ROOT / file).read_text())
    for name in path:
        inner = {
            child.name: child
            for child in ast.iter_child_nodes(node)
            if isinstance(child, ast.ClassDef | ast.FunctionDef)
        }
        assert name in inner
        node = inner[name]


def test_every_threat_has_a_control_and_a_test() -> None:
    rows = [line.strip("|").split("|") for line in PAGE.splitlines() if line.startswith("| ") and "held by" not in line]
    assert len(rows) > 20
    for row in rows:
        threat, control, held_by = (cell.strip() for cell in row)
        assert threat
        assert control
        assert "`tests/" in held_by, threat
