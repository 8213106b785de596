"""`onramp demo` in a process of its own, without a terminal."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from onramp.local.parameters import LOCAL
from onramp.local.translate import load_template
from tests.deployed import eventually, restore_sigint

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
ONRAMP = Path(sys.executable).parent / "onramp"
WITHIN_SECONDS = 120
CHAPTERS = [
    "1 The stack starts",
    "2 An admin pre-creates two managers",
    "3 Mara and Nia sign up",
    "4 An unverified signup claims Theo's record",
    "5 Mara resets her password",
    "6 Stripe fails and recovers",
    "7 Two poison messages",
    "8 All users are accounted for",
]
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
EXPECTED_LINES = {
    "a pre-created manager": r"mara@example\.com · pre_created · manager · no sub yet",
    "the link": r"record +pre-created, now linked · manager · owed \w+ +[\d,]+ ms",
    "a new user gets a record": r"record +created · team_member · owed \w+ +[\d,]+ ms",
    "the event": rf"event +UserSignedUp {UUID} +[\d,]+ ms",
    "the queue": r"queue +(?:\d visible · \d in flight|received by the worker before the first read) +[\d,]+ ms",
    "the profile": r"profile +Nia Okoro · (?:pending|ready) +[\d,]+ ms",
    "RevenueCat": rf"RevenueCat +{UUID} +[\d,]+ ms",
    "Stripe": r"Stripe +cus_\w+ +[\d,]+ ms",
    "the outcome": rf"event +UserProvisioned {UUID} +[\d,]+ ms",
    "nothing owed": r"owed +nothing · ready +[\d,]+ ms",
    "the rejection": rf"We could not complete your sign-up\. Please contact +[\d,]+ ms\s+support and quote\s+{UUID}",
    "its cause": r"signup rejected: nobody_vouches · found by the reference",
    "an unchanged record": r"record +unchanged · manager · still no sub",
    "the reset": r"trigger +called once: no record changed, no event emitted",
    "the backoff": r"Stripe +retrying · attempt 2 · stripe_500 · owed enrich",
    "one customer": r"customers +1 at Stripe, after \d+ requests with 1 idempotency key",
    "the reasons": r"reason +malformed_event +unknown_user",
    "a table of users": r"theo@example\.com +manager +pre_created +- +- +nothing",
    "the totals": r"3 users ready · 3 Stripe customers · 1 rejected · 2 dead letters",
}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the demos' files; its path is in the command line of each process that they start."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def output(scratch: Path) -> str:
    result = _run_demo(scratch)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    assert _remaining_files(scratch) == []
    return result.stdout


def test_every_chapter_is_shown_in_order(output: str) -> None:
    assert re.findall(r"^\d .+?(?= ─)", output, re.MULTILINE) == CHAPTERS


def test_every_stage_is_shown(output: str) -> None:
    missing = [name for name, pattern in EXPECTED_LINES.items() if not re.search(pattern, output)]
    assert missing == [], output


def test_the_excerpt_in_the_readme_equals_the_output(output: str) -> None:
    excerpt = README.read_text().partition("```\n3 Mara")[2].partition("\n```")[0]
    printed = set(map(_without_variable_parts, output.splitlines()))
    assert len(excerpt.splitlines()) > 5
    assert [line for line in f"3 Mara{excerpt}".splitlines() if _without_variable_parts(line) not in printed] == []


def test_what_differs_from_aws_is_said(output: str) -> None:
    text = " ".join(output.split())
    assert "on this machine any code confirms, in AWS only the code from the e-mail" in text
    in_aws = load_template(ROOT / "template.yaml")["Parameters"]["RetryBackoffBaseSeconds"]["Default"]
    assert f"on this machine it starts at {LOCAL['RetryBackoffBaseSeconds']} s, in AWS at {in_aws} s" in text


def _without_variable_parts(line: str) -> str:
    """The line without ids, times and the worker's progress, which differ between runs."""
    return " ".join(re.sub(rf"{UUID}|[\d,]+ ms|owed \w+|pending|ready", "...", line).split())


def test_without_a_terminal_the_lines_are_plain_text_of_80_columns(output: str) -> None:
    assert "\x1b" not in output
    assert max(map(len, output.splitlines())) <= 80


def test_a_port_in_use_is_reported_in_one_sentence(scratch: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        result = _run_demo(scratch, "--port", str(port))
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert f"Port {port} is taken" in result.stderr


def test_ctrl_c_ends_it_cleanly(scratch: Path) -> None:
    with _start_demo(scratch) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "Mara and Nia sign up" in line:
                break
        assert list(_processes_with(str(scratch))) != []
        demo.send_signal(signal.SIGINT)
        rest, errors = demo.communicate(timeout=WITHIN_SECONDS)
    assert demo.returncode == 130
    assert rest.splitlines()[-1].strip().startswith("Stopped")
    assert errors == ""
    assert _remaining_files(scratch) == []


def _run_demo(scratch: Path, *options: str) -> subprocess.CompletedProcess[str]:
    with _start_demo(scratch, *options) as demo:
        stdout, stderr = demo.communicate(timeout=WITHIN_SECONDS)
    return subprocess.CompletedProcess(demo.args, demo.returncode, stdout, stderr)


def _start_demo(scratch: Path, *options: str) -> subprocess.Popen[str]:
    """Starts the demo without the environment variables that make rich assume a terminal."""
    environment = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "TTY_COMPATIBLE")}
    environment |= {"TMPDIR": str(scratch), "COLUMNS": "80"}
    return subprocess.Popen(
        [ONRAMP, "demo", *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=restore_sigint,
    )


def _remaining_files(scratch: Path) -> list[str]:
    """The files that remain after the demo. Waits until its processes have ended."""
    eventually(lambda: not list(_processes_with(str(scratch))), within=10, what="no process left")
    return [path.name for path in scratch.iterdir()]


def _processes_with(text: str) -> Iterator[str]:
    """The command lines that contain `text`; read from /proc if it exists, because small containers have no `ps`."""
    if Path("/proc/self/cmdline").exists():
        commands = [_read(file).replace("\0", " ") for file in Path("/proc").glob("[0-9]*/cmdline")]
    else:
        commands = subprocess.check_output(["ps", "-axww", "-o", "command"], text=True).splitlines()
    return (command for command in commands if text in command)


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:  # the process has ended
        return ""
