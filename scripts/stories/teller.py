"""Writes down a story: what is said, what is run, and what the commands print.

Only what no two runs have in common is replaced: ids, times, ages and rates.
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
    (re.compile(r"\bthe oldest for \d+ s\b"), "the oldest for 40 s"),
    (re.compile(r"\bAbout \d+ are held"), "About 40 are held"),
    (re.compile(r"-[0-9A-F]{13}\b"), "-EXAMPLE"),
    (re.compile(r"(?<=http://127\.0\.0\.1:)\d+"), "4566"),
    (re.compile(r"key refused \d+ \(\d+"), "key refused 31 (31"),
    (re.compile(r"\bProvisioningQueue (?:\d+ \(\+\d+ in hand\)|[1-9]\d*)"), "ProvisioningQueue 0 (+12 in hand)"),
    (re.compile(r"completed a run \d+ s ago"), "completed a run 40 s ago"),
)


@dataclass
class Teller:
    """Writes down what is said and what the commands print."""

    deployed: DeployedPipeline
    stack_name: str = STACK_NAME
    parts: list[str] = field(default_factory=list)
    commands: int = 0
    _ids: dict[str, str] = field(default_factory=dict)
    _varying: dict[str, str] = field(default_factory=dict)

    def says(self, text: str) -> None:
        self.parts.append(textwrap.dedent(text).strip())

    def runs(self, *arguments: str) -> str:
        """Runs an `onramp` command as from a shell; what it printed, as it printed it."""
        self.commands += 1
        printed, code = self._ran(*arguments)
        status = f"\n\n(exit code {code})" if code else ""
        self.parts.append(f"```console\n$ {shlex.join(['onramp', *arguments])}\n{printed}{status}\n```")
        return printed

    def asks(self, *arguments: str) -> str:
        """The same, and nothing of it is written down."""
        return self._ran(*arguments)[0]

    def shows(self, command: str) -> None:
        """Writes down a command of another tool, which printed nothing."""
        self.parts.append(f"```console\n$ {command}\n```")

    def prints(self, command: str, printed: str) -> None:
        """Writes down a command of another tool with what it printed."""
        self.parts.append(f"```console\n$ {command}\n{printed}\n```")

    def stands_for(self, seen: str, shown: str) -> None:
        """A number that is another one in each run."""
        self._varying[seen] = shown

    def _ran(self, *arguments: str) -> tuple[str, int]:
        output, code = io.StringIO(), 0
        environment = {**self.deployed.stack.environment(), "ONRAMP_STACK": self.stack_name, "COLUMNS": WIDTH}
        with with_environment(environment), contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            try:
                onramp(list(arguments))
            except SystemExit as ended:
                code = int(ended.code or 0)
        return "\n".join(line.rstrip() for line in output.getvalue().strip().splitlines()), code

    def markdown(self) -> str:
        """Ids are numbered in the order in which they appear, so that one letter stays one letter."""
        text = "\n\n".join(self.parts) + "\n"
        for pattern, replacement in _FIXED:
            text = pattern.sub(replacement, text)
        for seen, shown in self._varying.items():
            text = re.sub(rf"(?<![\d-]){seen}(?![\d:])", shown, text)
        return ID.sub(self._numbered, text)

    def _numbered(self, found: re.Match[str]) -> str:
        number = self._ids.setdefault(found[1], f"{len(self._ids) + 1:08x}")
        return number + ("-0000-4000-8000-000000000000" if found[2] else "")


@contextmanager
def with_environment(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ |= values
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before
