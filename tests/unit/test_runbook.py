"""The runbook has a section for every alarm and reason, and every command in the documentation exists."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from onramp.local.translate import load_template
from onramp.ops.cli import app, hoisted

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = (ROOT / "docs/runbook.md").read_text()
SECTIONS = set(re.findall(r"^### (\S+)$", RUNBOOK, re.MULTILINE))
PERMANENT = re.compile(r"PermanentError\((.*?)(?:, code=|\)$)", re.MULTILINE)
REASON = re.compile(r'"([a-z_]+)(?:\{status\})?"')


def documents() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands() -> Iterator[tuple[str, str]]:
    """Every `onramp ...` command of the documentation, with the name of its document."""
    for path in documents():
        for match in re.finditer(r"(?:^|`)(onramp [a-z][^`\n#]*)", path.read_text(), re.MULTILINE):
            yield path.name, match[1].strip()


def test_every_alarm_has_its_section() -> None:
    resources = load_template(ROOT / "template.yaml")["Resources"]
    alarms = {name for name, resource in resources.items() if resource["Type"] == "AWS::CloudWatch::Alarm"}
    assert alarms <= SECTIONS


def test_every_reason_of_a_dead_letter_has_its_section() -> None:
    sources = [path.read_text() for path in (ROOT / "shared/onramp").rglob("*.py")]
    named = {reason for source in sources for raised in PERMANENT.findall(source) for reason in REASON.findall(raised)}
    assert {"unknown_user", "linked_to_another_sub", "stripe_refused_", "malformed_event"} <= named
    assert not [reason for reason in named if not any(section.startswith(reason) for section in SECTIONS)]


def test_every_section_has_the_same_four_parts() -> None:
    for section in re.split(r"^### ", RUNBOOK, flags=re.MULTILINE)[1:]:
        name, _, text = section.partition("\n")
        if "See " not in text:
            assert [word for word in ("**Means**", "**Look**", "**Cured**") if word not in text] == [], name
            assert "**Cure**" in text or "**cure**" in text, name


@pytest.mark.parametrize(("document", "command"), sorted(set(commands())))
def test_every_command_exists_with_its_options(document: str, command: str) -> None:
    node: Any = typer.main.get_command(app)
    words = hoisted(shlex.split(command.replace("...", "x"))[1:])
    while words and words[0].startswith("-"):
        words = words[2:]  # options before the command
    while hasattr(node, "commands") and words:
        assert words[0] in node.commands, f"{document}: {command}"
        node, words = node.commands[words[0]], words[1:]
    options = {name for parameter in node.params for name in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in options]
    assert not unknown, f"{document}: {command}"
