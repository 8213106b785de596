"""How the commands find their stack, and their messages where the environment is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from onramp.local.stack import LocalStack
from onramp.ops.cli import move_global_options_first
from tests.ops.conftest import Onramp


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["audit", "--json"], ["--json", "audit"]),
        (["dlq", "list", "--stack", "prod", "--reason", "x"], ["--stack", "prod", "dlq", "list", "--reason", "x"]),
        (["audit", "--region=eu-west-1"], ["--region=eu-west-1", "audit"]),
        (["user", "show", "--", "--stack"], ["user", "show", "--", "--stack"]),
        (["audit", "--stack"], ["--stack", "audit"]),
    ],
)
def test_global_options_are_accepted_at_any_place(given: list[str], expected: list[str]) -> None:
    assert move_global_options_first(given) == expected


def test_an_unknown_stack_is_one_sentence(onramp: Onramp) -> None:
    ran = onramp("audit", "--stack", "no-such-stack")
    assert (ran.code, ran.out) == (2, "")
    assert "there is no stack 'no-such-stack'" in ran.err
    assert ran.err.count("\n") == 1


def test_without_a_stack_the_message_names_the_option(
    onramp: Onramp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ONRAMP_STACK")
    ran = onramp("audit")
    assert ran.code == 2
    assert "--stack" in ran.err


def test_the_local_stacks_file_is_found(
    onramp: Onramp, stack: LocalStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ONRAMP_STACK")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    (tmp_path / ".onramp").mkdir()
    state = {"endpoint": stack.endpoint, "region": stack.region, "outputs": stack.outputs, "fakes": stack.fakes}
    (tmp_path / ".onramp/local.json").write_text(json.dumps(state))
    assert onramp("audit", "--month", "2020-01").code == 0


def test_an_endpoint_that_does_not_answer_is_one_sentence(onramp: Onramp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    ran = onramp("audit")
    assert ran.code == 2
    assert "does not answer" in ran.err


def test_an_unknown_profile_is_one_sentence(onramp: Onramp) -> None:
    ran = onramp("audit", "--profile", "no-such-profile")
    assert ran.code == 2
    assert "no-such-profile" in ran.err


def test_a_wrong_option_is_a_usage_error(onramp: Onramp) -> None:
    assert onramp("audit", "--no-such-option").code == 2
    assert onramp("audit", "--month", "november").code == 2
