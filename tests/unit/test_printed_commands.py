"""A printed command acts on the stack of the call that prints it: it repeats --stack, --profile and --region."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import onramp.ops
from onramp.ops import cli
from onramp.ops.backfill.backfill_command import BackfillCommand
from onramp.ops.common import queue_reader
from onramp.ops.common.shell import CallOptions, call_options, command, make_command, onramp_command
from onramp.ops.doctor.wiring import DoctorWiring
from tests.dlq_scenario import DlqScenario
from tests.operator_context import operator_context
from tests.unit.typing_operator import OPTIONS, Operator
from tests.unit.user_scenario import EMAIL, NEW, OLD

COMMAND = re.compile(r"onramp (doctor|status|replay|attach|detach|dlq|user|backfill|verify|audit)\b")
NAMED_ONLY = re.compile(r"(with|let) `onramp [^`]*`")
"""A sentence that says how something was done, and advises no command."""


def test_the_options_of_the_call_are_in_each_program(monkeypatch: pytest.MonkeyPatch) -> None:
    with call_options(CallOptions("prod", "team a", "eu-west-1")):
        assert command("look: onramp dlq show {}; aws logs tail {}", "x y", "$z") == (
            "look: onramp --stack prod --profile 'team a' --region eu-west-1 dlq show 'x y';"
            " aws --profile 'team a' --region eu-west-1 logs tail '$z'"
        )
        assert onramp_command("user", "list").endswith(" --region eu-west-1 user list")
        assert make_command("deploy", STACK="prod") == (
            "AWS_PROFILE='team a' AWS_DEFAULT_REGION=eu-west-1 make deploy STACK=prod"
        )
    assert command("onramp status") == "onramp status"


def test_a_command_inside_another_one_leaves_its_options() -> None:
    """`onramp verify` runs `onramp dlq redrive`."""
    with call_options(CallOptions("prod")):
        with call_options(CallOptions("other")):
            assert command("onramp status") == "onramp --stack other status"
        assert command("onramp status") == "onramp --stack prod status"


def test_values_are_no_commands() -> None:
    with call_options(CallOptions("prod")):
        assert command("onramp dlq show {}", "onramp status") == "onramp --stack prod dlq show 'onramp status'"


@pytest.fixture
def operator(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Operator]:
    monkeypatch.setattr(queue_reader, "LONG_POLL_SECONDS", 0)
    with DlqScenario() as scenario:
        yield Operator(scenario, monkeypatch, capsys, tmp_path / "letters.jsonl")


def test_what_the_environment_names_is_not_repeated(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    operator.scenario.refuse(EMAIL, OLD)
    monkeypatch.setattr(cli, "OperatorContext", lambda out, *_: operator_context(operator.scenario, out=out))
    monkeypatch.setenv(cli.STACK, "onramp")
    with pytest.raises(SystemExit):
        cli.main(["dlq", "list"])
    printed = operator.capsys.readouterr().out
    assert "onramp dlq redrive --reason stripe_refused_400" in printed
    assert "--stack" not in printed


def test_the_next_page_of_a_list(operator: Operator) -> None:
    operator.monkeypatch.setenv("COLUMNS", "200")
    for email, sub in ((EMAIL, OLD), ("ben@example.com", NEW)):
        operator.scenario.refuse(email, sub)
    first = operator.run("user", "list", "--failed", "--limit", "1")[1]
    second = operator.follow(first[first.index("onramp --stack") :])
    assert sorted(sub in second for sub in (OLD, NEW)) == [False, True]
    assert [sub in second for sub in (OLD, NEW)] == [sub not in first for sub in (OLD, NEW)]


def test_the_rest_of_an_interrupted_redrive(operator: Operator) -> None:
    operator.scenario.refuse(EMAIL, OLD)
    operator.scenario.stripe.faults.clear()
    with operator.monkeypatch.context() as patch:
        patch.setattr(Operator, "_wait", _interrupt)
        code, printed = operator.run("dlq", "redrive", "--yes")
    assert code == 130
    operator.follow(printed[printed.index("onramp --stack") :])
    operator.scenario.run_worker()
    assert operator.scenario.is_ready(EMAIL)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_the_commands_that_go_on(operator: Operator) -> None:
    backfill = BackfillCommand("", True, 3.0, 7, None, False, True, True)
    with call_options(OPTIONS):
        assert shlex.split(backfill._again())[: len(OPTIONS.of_onramp) + 1] == ["onramp", *OPTIONS.of_onramp]


def test_a_printed_deployment_and_a_cure_of_the_doctor(operator: Operator) -> None:
    stack = DoctorWiring.of(operator_context(operator.scenario)).stack
    with call_options(OPTIONS):
        assert stack.deploy_command().startswith("AWS_PROFILE='team a' AWS_DEFAULT_REGION=eu-west-1 make deploy ")


def test_every_printed_command_is_rendered_with_the_options() -> None:
    """A text with a command of `onramp` is an argument of `command`, or a table whose entries are rendered."""
    unrendered = [
        f"{path.name}: {text}"
        for path in Path(onramp.ops.__file__).parent.rglob("*.py")
        for text in _unrendered(ast.parse(path.read_text()))
    ]
    assert unrendered == []


def _unrendered(module: ast.Module) -> Iterator[str]:
    rendered = {
        id(part)
        for node in ast.walk(module)
        if (isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("command", "next_step"))
        or (isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict))
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))  # a docstring
        or (isinstance(node, ast.keyword) and node.arg in ("help", "epilog", "Description"))
        for part in ast.walk(node)
    }
    for node in ast.walk(module):
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str)) or id(node) in rendered:
            continue
        if COMMAND.search(NAMED_ONLY.sub("", node.value)):
            yield node.value
