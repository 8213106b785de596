"""The `onramp` command as a newcomer finds it: its packages are declared; without a stack it says how to get one."""

from __future__ import annotations

import ast
import importlib.metadata
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from onramp.ops.cli import main

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMMANDS = (
    ["status"],
    ["doctor"],
    ["dlq", "list"],
    ["user", "explain", "nia@example.com"],
    ["user", "pre-create", "--email", "nia@example.com", "--role", "manager"],
    ["user", "forget", "nia@example.com"],
    ["backfill"],
    ["replay", "--from-table", "--from", "2026-01-01"],
    ["attach"],
    ["detach"],
    ["audit"],
)


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0), capsys.readouterr().err


def at_run_time(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Every import that is not for type checkers only."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        yield from at_run_time(child)


def test_every_package_that_the_command_imports_is_declared() -> None:
    imported: set[str] = set()
    for path in (ROOT / "shared/onramp").rglob("*.py"):
        if "local" in path.relative_to(ROOT / "shared/onramp").parts:
            continue  # the local stack runs in a clone only: it deploys the template and the functions of the clone
        for node in at_run_time(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            imported |= {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"onramp"}
    imported -= {"snapshot_restore_py"}  # part of Lambda's runtime; the trigger works without it
    distributions = importlib.metadata.packages_distributions()
    needed = {distributions[name][0].replace("_", "-") for name in imported} - {"botocore"}  # boto3 pins it
    assert {requirement.partition(">=")[0] for requirement in PROJECT["project"]["dependencies"]} == needed


def test_a_declared_version_is_the_locked_one() -> None:
    groups = {entry for group in PROJECT["dependency-groups"].values() for entry in group if isinstance(entry, str)}
    assert set(PROJECT["project"]["dependencies"]) <= groups


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_without_a_stack_a_command_says_how_to_start_or_name_one(
    command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    code, err = run(command, capsys)
    assert code == 2
    assert "start one with `onramp local up`" in err
    assert "--stack NAME" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", [["local", "up"], ["demo"]], ids=" ".join)
def test_outside_a_clone_the_command_says_where_the_local_stack_runs(
    command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`pip install .` brings neither the template nor the functions nor the emulator."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("onramp.local.stack.find_spec", lambda _: None)
    code, err = run(command, capsys)
    assert code == 2
    assert "make local" in err
    assert err.count("\n") == 1
