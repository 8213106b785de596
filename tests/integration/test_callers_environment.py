"""The tests ignore the caller's AWS settings: a caller may have a running or a real stack exported in the shell."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = [
    "tests/integration/test_trigger_budget.py::test_a_warm_trigger_makes_exactly_two_calls",  # clients of its own
    "tests/contracts/test_tables.py::TestProfile::test_reading_an_absent_profile",  # moto, and a process
    "tests/unit/test_installation.py::test_without_a_stack_a_command_says_how_to_start_or_name_one",  # ONRAMP_STACK
]
CONFIG = """[default]
region = us-gov-west-1
endpoint_url = {url}
credential_process = false
"""


def test_no_test_reaches_the_callers_stack(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as callers_stack:
        url = f"http://127.0.0.1:{callers_stack.getsockname()[1]}"
        (tmp_path / "config").write_text(CONFIG.format(url=url))
        exported = {
            "AWS_ENDPOINT_URL": url,
            "AWS_ENDPOINT_URL_DYNAMODB": url,
            "AWS_PROFILE": "no-such-profile",
            "AWS_ACCESS_KEY_ID": "no-such-id",
            "AWS_SECRET_ACCESS_KEY": "no-such-key",
            "AWS_SESSION_TOKEN": "no-such-token",
            "AWS_REGION": "us-gov-west-1",
            "AWS_DEFAULT_REGION": "us-gov-west-1",
            "AWS_CONFIG_FILE": str(tmp_path / "config"),
            "ONRAMP_STACK": "production",
        }
        caller = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS]
        ran = subprocess.run(
            command, check=False, cwd=ROOT, env=caller | exported, capture_output=True, text=True, timeout=180
        )
        assert ran.returncode == 0, ran.stdout
        callers_stack.settimeout(0)
        assert not _was_called(callers_stack)


def _was_called(listener: socket.socket) -> bool:
    try:
        listener.accept()
    except BlockingIOError:
        return False
    return True
