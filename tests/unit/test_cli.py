"""The `onramp` command's own edge: what it writes to the terminal where a command fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from onramp.ops import cli
from onramp.ops.user import import_csv

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eem\u2028line"


def failed(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as raised:
        cli.main([*arguments])
    assert raised.value.code
    output = capfd.readouterr()
    text = output.out + output.err
    assert text.strip()
    assert not set(text) & (set(HOSTILE) - set(map(chr, range(32, 127))))
    return text


def test_a_column_of_a_file_reaches_the_terminal_escaped(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (file := tmp_path / "users.csv").write_text(f"email,roles,{HOSTILE}\n")
    monkeypatch.setattr(import_csv, "allowed_roles", lambda _: ("admin",))
    assert "unknown column" in failed(capfd, "user", "import", str(file))


@pytest.mark.parametrize(
    "arguments",
    [
        ("user", "show", HOSTILE),
        ("dlq", "redrive", "--since", HOSTILE),
        ("replay", "--from", HOSTILE),
        ("--stack", "onramp", "audit", "--month", HOSTILE),
        # Typer's own errors
        ("dlq", "list", HOSTILE),
        ("dlq", HOSTILE),
        (f"--{HOSTILE}",),
        ("dlq", "list", "--queue", HOSTILE),
        ("replay", "--from", "2h", "--rate", HOSTILE),
        ("backfill", "--csv", f"/{HOSTILE}/"),
    ],
)
def test_an_argument_reaches_the_terminal_escaped(
    arguments: tuple[str, ...], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("ONRAMP_STACK", "")
    failed(capfd, *arguments)


def test_an_unexpected_error_too(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise ValueError(HOSTILE)

    monkeypatch.setattr(cli, "move_global_options_first", broken)
    assert "ValueError" in failed(capfd, "status")


def test_the_help_keeps_its_lines(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["dlq"])
    output = capfd.readouterr()
    assert len((output.out + output.err).splitlines()) > 5
