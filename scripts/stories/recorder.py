"""Records a story as Markdown: its text, its commands and their output.

Only values that differ in each run are replaced: ids, times, ages and rates.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from onramp.local.parameters import STACK_NAME
from onramp.ops.cli import main as onramp
from tests.deployed import DeployedPipeline

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs/stories"
WIDTH = "100"
ID = re.compile(r"\b([0-9a-f]{8})(-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})?\b")
_FIXED = (
    (re.compile(r"\b20\d\d-\d\d-\d\d([T ])\d\d:\d\d:\d\d"), r"2026-11-20\g<1>03:00:00"),
    (re.compile(r"(?<=:\d\d)\.\d{3}Z"), ".000Z"),
    (re.compile(r"\b(oldest|newest) \d+ (?:s|min)(?: \d+ s)?"), r"\g<1> 4 min"),
    (re.compile(r", \d+ (?:s|min) ago"), ", 4 min ago"),
    (re.compile(r"\beu-west-1_\w{9}\b"), "eu-west-1_Example01"),
    (re.compile(r"\bthe oldest for \d+ (?:s|min)\b"), "the oldest for 40 s"),
    (re.compile(r"\bAbout \d+ are held"), "About 40 are held"),
    (re.compile(r"-[0-9A-F]{13}\b"), "-EXAMPLE"),
    (re.compile(r"(?<=http://127\.0\.0\.1:)\d+"), "4566"),
    (re.compile(r"key refused \d+ \(\d+"), "key refused 31 (31"),
    (re.compile(r"\bProvisioningQueue (?:\d+ \(\+\d+ in hand\)|[1-9]\d*)"), "ProvisioningQueue 0 (+12 in hand)"),
    # The terminal folds this line by the length of the number above.
    (re.compile(r"(EventDeliveryDlq \d+)\s+(SignupHealQueue \d+)\s+(?=SignupHealDlq)"), rf"\g<1>\n{'':12}\g<2>   "),
    (re.compile(r"completed a run \d+ (?:s|min) ago"), "completed a run 40 s ago"),
)


@dataclass
class Recorder:
    """The page so far: `parts` are its blocks of Markdown, `commands` counts the recorded `onramp` commands."""

    deployed: DeployedPipeline
    stack_name: str = STACK_NAME
    parts: list[str] = field(default_factory=list)
    commands: int = 0
    _ids: dict[str, str] = field(default_factory=dict)
    _varying: dict[str, str] = field(default_factory=dict)

    def write(self, text: str) -> None:
        self.parts.append(textwrap.dedent(text).strip())

    def run(self, *arguments: str) -> str:
        """Runs an `onramp` command and records it. Returns its output."""
        self.commands += 1
        output, code = self._execute(*arguments)
        status = f"\n\n(exit code {code})" if code else ""
        self.show(shlex.join(["onramp", *arguments]), f"{output}{status}")
        return output

    def query(self, *arguments: str) -> str:
        """Runs an `onramp` command without recording it. Returns its output."""
        return self._execute(*arguments)[0]

    def show(self, command: str, output: str = "") -> None:
        """Records a command with its output, without running it."""
        self.parts.append("\n".join(["```console", f"$ {command}", *([output] if output else []), "```"]))

    def replace(self, number: str, constant: str) -> None:
        """Replaces a number that differs in each run."""
        self._varying[number] = constant

    def _execute(self, *arguments: str) -> tuple[str, int]:
        output, code = io.StringIO(), 0
        environment = {**self.deployed.stack.environment(), "ONRAMP_STACK": self.stack_name, "COLUMNS": WIDTH}
        with with_environment(environment), contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            try:
                onramp(list(arguments))
            except SystemExit as exit_:
                code = int(exit_.code or 0)
        return "\n".join(line.rstrip() for line in output.getvalue().strip().splitlines()), code

    def markdown(self) -> str:
        """The page. Ids are numbered in the order in which they appear, so each message keeps one id."""
        text = "\n\n".join(self.parts) + "\n"
        for pattern, replacement in _FIXED:
            text = pattern.sub(replacement, text)
        for number, constant in self._varying.items():
            text = re.sub(rf"(?<![\d-]){number}(?![\d:])", constant, text)
        return ID.sub(self._numbered_id, text)

    def _numbered_id(self, match: re.Match[str]) -> str:
        number = self._ids.setdefault(match[1], f"{len(self._ids) + 1:08x}")
        return number + ("-0000-4000-8000-000000000000" if match[2] else "")


@contextmanager
def with_environment(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ |= values
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before
