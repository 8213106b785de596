"""Tells the stories of docs/stories: `python -m scripts.stories [NAME ...]` runs each on a fresh local stack.

What stands there is what the commands printed, with only that replaced which no two runs have in common: ids, times and
ages. A test tells each story again and fails where the committed file differs.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scripts.story_revoked_key import revoked_key

from onramp.local.parameters import STACK_NAME
from onramp.local.stack import LocalStack
from onramp.ops.cli import main as onramp
from tests.people import Town, eventually

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs/stories"
WIDTH = "100"
_ID = re.compile(r"\b([0-9a-f]{8})(-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})?\b")
_FIXED = (
    (re.compile(r"\b20\d\d-\d\d-\d\d([T ])\d\d:\d\d:\d\d"), r"2026-11-20\g<1>03:00:00"),
    (re.compile(r"(?<=:\d\d)\.\d{3}Z"), ".000Z"),
    (re.compile(r"\b(oldest|newest) \d+ (?:s|min)(?: \d+ s)?"), r"\g<1> 4 min"),
    (re.compile(r", \d+ (?:s|min) ago"), ", 4 min ago"),
    (re.compile(r"\beu-west-1_\w{9}\b"), "eu-west-1_Example01"),
    (re.compile(r"\bfor \d+ s\b"), "for 40 s"),
    (re.compile(r"key refused \d+ \(\d+"), "key refused 31 (31"),
    (re.compile(r"\bProvisioningQueue (?:\d+ \(\+\d+ in hand\)|[1-9]\d*)"), "ProvisioningQueue 0 (+12 in hand)"),
    (re.compile(r"completed a run \d+ s ago"), "completed a run 40 s ago"),
)


@dataclass
class Teller:
    """Writes down what is said and what the commands print."""

    town: Town
    parts: list[str] = field(default_factory=list)
    commands: int = 0
    _ids: dict[str, str] = field(default_factory=dict)

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

    def _ran(self, *arguments: str) -> tuple[str, int]:
        output, code = io.StringIO(), 0
        environment = {**self.town.stack.environment(), "ONRAMP_STACK": STACK_NAME, "COLUMNS": WIDTH}
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
        return _ID.sub(self._numbered, text)

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


def two_causes(teller: Teller) -> None:
    town = teller.town
    town.stripe.fault("refused", operation="create", match="@partner.example", code="email_invalid", times=None)
    town.revenuecat.fault("refused", match="@guest.example", status=422, times=None)
    people = [f"user{number:02}@{_domain(number)}" for number in range(50)]
    for email in people:
        town.join(email)
    for email in people:
        eventually(lambda email=email: _settled(town, email), what=f"{email} settled")  # type: ignore[misc]

    teller.says("""
        # Two causes in one dead-letter queue

        Fifty people signed up in the night. Stripe answers 400 to those of one partner, RevenueCat 422 to the guests of
        a fair, and `ProvisioningDlqAlarm` rings. Everything below ran on the local stack, with `ONRAMP_STACK` set, and
        is written by `python -m scripts.stories`.

        ## What is it?
        """)
    listed = teller.runs("dlq", "list")
    teller.says("Two causes, not one. The first of the two in full:")
    identity = next(word for line in listed.splitlines() if "@partner" in line for word in re.findall(_ID, line))[0]
    teller.runs("dlq", "show", identity)
    teller.says("""
        ## Is it over?

        Somebody says that Stripe is fine again. The canary does not believe it: one user was sent, the same reason came
        back, seventeen were not bothered.
        """)
    teller.runs("dlq", "redrive", "--reason", "stripe_refused_400", "--yes")
    teller.says("""
        ## The cure

        The partner's domain is unblocked in Stripe's dashboard. The same command again: one user, then ten, then the
        rest, each stage looked after until it is certain what became of it.
        """)
    town.stripe.clear()
    teller.runs("dlq", "redrive", "--reason", "stripe_refused_400", "--yes")
    teller.says("""
        ## What is left?

        The guests: their cause is not mended, and nobody has touched their letters. They wait for the morning.
        """)
    teller.runs("dlq", "list")
    teller.says("## Who did what?")
    teller.runs("audit")


def _domain(number: int) -> str:
    """Eighteen of the partner, nine guests, twenty-three others, in a mixed order."""
    if number % 5 in (0, 2) and number < 45:
        return "partner.example"
    return "guest.example" if number % 4 == 1 else "example.com"


def _settled(town: Town, email: str) -> bool:
    owed = str((town.user(email) or {"owed": "unknown"}).get("owed", ""))
    return owed == "" or owed.startswith("operator#")


STORIES: dict[str, Callable[[Teller], None]] = {"two-causes": two_causes, "revoked-key": revoked_key}


def main(names: list[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in names or STORIES:
        with LocalStack.start() as stack:
            teller = Teller(Town(stack))
            STORIES[name](teller)
            (FOLDER / f"{name}.md").write_text(teller.markdown())


if __name__ == "__main__":
    main(sys.argv[1:])
