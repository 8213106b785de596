"""An operator who types commands over the pipeline in memory, and runs the commands that they advise, as printed.

The stack is named by --stack alone: a printed command that does not repeat it finds no stack.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from onramp.ops import cli
from onramp.ops.common.context import NO_STACK, OperatorContext
from onramp.ops.common.errors import UsageError
from onramp.ops.common.output import Output
from onramp.ops.common.shell import CallOptions
from onramp.ops.doctor.checks import CHECKS
from tests.dlq_scenario import RULE_DLQ, DlqScenario
from tests.operator_context import STACK, operator_context
from tests.pipeline import DLQ, PROFILES, QUEUE, USERS
from tests.unit.user_scenario import EMAIL

COMMAND = re.compile(r"onramp (?:'[^']*'|[^,;(']|(?<=\S)'(?=\S))+?(?=[,;(]|  |$)")
OPTIONS = CallOptions(stack=STACK, profile="team a", region="eu-west-1")
ASKING = ("dlq redrive", "dlq drop", "user relink", "user heal", "replay --from-table", "backfill --apply")


def commands_of(advice: str) -> list[str]:
    return [match.strip() for match in COMMAND.findall(advice)]


def without_options(advice: str) -> str:
    """The advice as a call without options would print it."""
    return advice.replace(shlex.join(["onramp", *OPTIONS.of_onramp]), "onramp")


class WithRules:
    """The bus of the pipeline, and the list of its rules, which the pipeline itself never reads."""

    def __init__(self, events: Any) -> None:
        self._events = events

    def __getattr__(self, name: str) -> Any:
        if name == "get_paginator":
            return lambda operation: SimpleNamespace(paginate=lambda **_: [{"Rules": [{"Name": "signed-up"}]}])
        return getattr(self._events, name)


@dataclass
class Operator:
    """Runs commands as typed, over the pipeline in memory."""

    scenario: DlqScenario
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    file: Path
    email: str = EMAIL
    before: Any = None

    def run(self, *words: str) -> tuple[int, str]:
        """A command for the stack."""
        return self.type(*words, *OPTIONS.of_onramp)

    def type(self, *words: str) -> tuple[int, str]:
        """A command with exactly these words."""

        def context(out: Output, *named: str | None) -> OperatorContext:
            if named != (OPTIONS.stack, OPTIONS.profile, OPTIONS.region):
                raise UsageError(NO_STACK)
            events = WithRules(self.scenario.aws["events"])
            return operator_context(self.scenario, {"events": events}, out=out, sleep=self._wait)

        self.monkeypatch.setattr(cli, "OperatorContext", context)
        self.monkeypatch.delenv(cli.STACK, raising=False)
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main(list(words))
        out, err = self.capsys.readouterr()
        assert "Traceback" not in err
        return int(ended.value.code or 0), out or err

    def _wait(self, seconds: float) -> None:
        self.scenario.clock.advance(seconds)
        self.scenario.run_worker()

    def json(self, *words: str) -> Any:
        return json.loads(self.run(*words, "--json")[1])

    def follow(self, advice: str) -> str:
        """Runs every command of the advice. Doctor and status need a deployed stack: only their options are checked.

        Returns what the commands print.
        """
        commands = commands_of(advice)
        assert commands, advice
        return "".join(self._follow(command) for command in commands)

    def _follow(self, command: str) -> str:
        typed = [{"EMAIL": self.email, "FILE": str(self.file)}.get(word, word) for word in shlex.split(command)]
        options = OPTIONS.of_onramp
        assert typed[1 : 1 + len(options)] == options, f"another stack: {command}"
        words = typed[1 + len(options) :]
        if words[0] in ("doctor", "status"):
            assert all(word in ("--only", *CHECKS) for word in words[1:])
            return ""
        asks = " ".join(words[:2]) in ASKING
        code, printed = self.type(*typed[1:], *(["--yes"] if asks else []))
        assert code in (0, 1), f"{command}: {printed}"
        assert "ONRAMP_DEBUG" not in printed, printed
        return printed

    def letter(self) -> str:
        (row,) = self.json("dlq", "list")["groups"]
        return str(row["sample"]["id"])

    def advice_of_the_letter(self) -> str:
        return str(self.json("dlq", "show", self.letter())["next"])

    def state(self) -> Any:
        """What a command can change."""
        users, profiles = (self.scenario.dynamodb.rows(table) for table in (USERS, PROFILES))
        messages = [message.body for name in (QUEUE, DLQ, RULE_DLQ) for message in self.scenario.sqs.messages(name)]
        return users, profiles, messages

    @property
    def letters(self) -> int:
        return len(self.scenario.sqs.messages(DLQ)) + len(self.scenario.sqs.messages(RULE_DLQ))
