"""`onramp demo` as a newcomer runs it: another process, no terminal."""

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

from tests.deployed import as_in_the_foreground, eventually

README = Path(__file__).parents[2] / "README.md"
ONRAMP = Path(sys.executable).parent / "onramp"
WITHIN_SECONDS = 120
CHAPTERS = [
    "1 The stack comes up",
    "2 An admin expects two managers",
    "3 Mara and Nia sign up",
    "4 Somebody claims Theo's record",
    "5 Mara forgets her password",
    "6 Stripe goes down and comes back",
    "7 Two poison messages",
    "8 Everybody is accounted for",
]
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
SHOWN = {
    "a pre-created manager": r"mara@example\.com · pre_created · manager · no sub yet",
    "she links": r"record +the admin's, now linked · manager · owed \w+ +[\d,]+ ms",
    "a new user gets a record": r"record +created · team_member · owed \w+ +[\d,]+ ms",
    "the event": rf"event +UserSignedUp {UUID} +[\d,]+ ms",
    "the queue": r"queue +(?:\d waiting · \d in flight|taken by the worker before we could look) +[\d,]+ ms",
    "the profile": r"profile +Nia Okoro · (?:pending|ready) +[\d,]+ ms",
    "RevenueCat": rf"RevenueCat +{UUID} +[\d,]+ ms",
    "Stripe": r"Stripe +cus_\w+ +[\d,]+ ms",
    "the outcome": rf"event +UserProvisioned {UUID} +[\d,]+ ms",
    "nothing owed": r"owed +nothing · ready +[\d,]+ ms",
    "the refusal": rf"We could not complete your sign-up\. Please contact +[\d,]+ ms\s+support and quote\s+{UUID}",
    "its cause": r"signup rejected: nobody_vouches · found by that reference",
    "nothing taken": r"record +unchanged · manager · still no sub",
    "the reset": r"trigger +called once: no record changed, no event emitted",
    "the backoff": r"Stripe +retrying · attempt 2 · stripe_500 · owed enrich",
    "one customer": r"customers +1 at Stripe, after \d+ requests under 1 idempotency key",
    "the reasons": r"reason +malformed_event +unknown_user",
    "a table of users": r"theo@example\.com +manager +pre_created +- +- +nothing",
    "the sum": r"3 users ready · 3 Stripe customers · 1 refused · 2 dead letters",
}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the demos of this module keep their files: in the command line of each process they start."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def shown(scratch: Path) -> str:
    ended = _demo(scratch)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stderr == ""
    assert _left_behind(scratch) == []
    return ended.stdout


def test_every_chapter_is_told_in_order(shown: str) -> None:
    assert re.findall(r"^\d .+?(?= ─)", shown, re.MULTILINE) == CHAPTERS


def test_every_station_is_shown(shown: str) -> None:
    missing = [what for what, pattern in SHOWN.items() if not re.search(pattern, shown)]
    assert missing == [], shown


def test_the_excerpt_in_the_readme_is_what_it_prints(shown: str) -> None:
    excerpt = README.read_text().partition("```\n3 Mara")[2].partition("\n```")[0]
    printed = set(map(_alike, shown.splitlines()))
    assert len(excerpt.splitlines()) > 5
    assert [line for line in f"3 Mara{excerpt}".splitlines() if _alike(line) not in printed] == []


def _alike(line: str) -> str:
    """Without what no two runs have in common: ids, times, and how far the worker was at the moment of the look."""
    return " ".join(re.sub(rf"{UUID}|[\d,]+ ms|owed \w+|pending|ready", "...", line).split())


def test_a_log_gets_plain_lines_that_fit(shown: str) -> None:
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_taken_port_is_one_sentence(scratch: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = _demo(scratch, "--port", str(port))
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert f"Port {port} is taken" in ended.stderr


def test_ctrl_c_ends_it_cleanly(scratch: Path) -> None:
    with _started(scratch) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if "Mara and Nia sign up" in line:
                break
        assert list(_processes_with(str(scratch))) != []
        demo.send_signal(signal.SIGINT)
        rest, complaints = demo.communicate(timeout=WITHIN_SECONDS)
    assert demo.returncode == 130
    assert rest.splitlines()[-1].strip().startswith("Stopped")
    assert complaints == ""
    assert _left_behind(scratch) == []


def _demo(scratch: Path, *options: str) -> subprocess.CompletedProcess[str]:
    with _started(scratch, *options) as demo:
        stdout, stderr = demo.communicate(timeout=WITHIN_SECONDS)
    return subprocess.CompletedProcess(demo.args, demo.returncode, stdout, stderr)


def _started(scratch: Path, *options: str) -> subprocess.Popen[str]:
    """As without a terminal, whatever the environment of the tests says of theirs."""
    environment = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "TTY_COMPATIBLE")}
    environment |= {"TMPDIR": str(scratch), "COLUMNS": "80"}
    return subprocess.Popen(
        [ONRAMP, "demo", *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=as_in_the_foreground,
    )


def _left_behind(scratch: Path) -> list[str]:
    """Files and processes that outlive the demo. A process of it may be on its last instruction: it gets a moment."""
    eventually(lambda: not list(_processes_with(str(scratch))), within=10, what="no process left behind")
    return [path.name for path in scratch.iterdir()]


def _processes_with(text: str) -> Iterator[str]:
    """Command lines; from /proc where there is one, since small containers have no `ps`."""
    if Path("/proc/self/cmdline").exists():
        commands = [_read(file).replace("\0", " ") for file in Path("/proc").glob("[0-9]*/cmdline")]
    else:
        commands = subprocess.check_output(["ps", "-axww", "-o", "command"], text=True).splitlines()
    return (command for command in commands if text in command)


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:  # it has ended meanwhile
        return ""
