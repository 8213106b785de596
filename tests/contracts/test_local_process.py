"""`onramp local up` and its processes: an error is one sentence; no process or file remains, also after SIGKILL."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from onramp.local.errors import PortTakenError
from onramp.local.server import POLLER_PAUSE_SECONDS
from onramp.local.stack import LocalStack
from tests.contracts.toy import TEMPLATE
from tests.deployed import eventually, restore_sigint

ONRAMP = Path(sys.executable).with_name("onramp")

# A parent with a running function. It prints the server's process id and directory and waits to be killed.
PARENT = f"""
import json, sys, time
from pathlib import Path
from onramp.local.stack import LocalStack
stack = LocalStack.start(template=Path({str(TEMPLATE)!r}))
stack.client("lambda").invoke(
    FunctionName=stack.outputs["FunctionName"], InvocationType="Event", Payload=json.dumps({{"sleep": 60}}).encode()
)
while not any("sleep" in line for line in stack.logs()) and not list(stack.server.scratch.glob("ministack-lambda-*")):
    time.sleep(0.02)
print(stack.server.pid, stack.server.scratch, flush=True)
time.sleep(60)
"""


@contextmanager
def local_up(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [str(ONRAMP), "local", "up", *arguments]
    process = subprocess.Popen(
        command,
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=restore_sigint,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def group_exists(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True


def test_up_writes_the_state_file_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    file = tmp_path / ".onramp" / "local.json"
    with local_up(tmp_path, "--port", "0") as process:
        state = json.loads(eventually(lambda: file.read_text() if file.exists() else ""))
        assert list(state) == ["endpoint", "region", "outputs", "fakes"]
        assert set(state["fakes"]) == {"stripe", "revenuecat"}
        assert "UserPoolClientId" in state["outputs"]
        sts = boto3.client(
            "sts",
            endpoint_url=state["endpoint"],
            region_name=state["region"],
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        assert sts.get_caller_identity()["Account"] == "000000000000"
        os.killpg(process.pid, signal.SIGINT)  # a terminal signals the whole foreground group
        out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert f"AWS_ENDPOINT_URL={state['endpoint']}" in out
    assert out.rstrip().rpartition("\n")[2].startswith("Stopped:")
    assert not file.exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(state["endpoint"].rpartition(":")[2]))) != 0


def run_json(folder: Path, *arguments: str) -> Any:
    command = [str(ONRAMP), *arguments, "--json"]
    ran = subprocess.run(command, check=True, cwd=folder, capture_output=True, text=True, timeout=60)
    return json.loads(ran.stdout)


def test_a_new_stack_looks_healthy(tmp_path: Path) -> None:
    with local_up(tmp_path, "--port", "0"):
        eventually((tmp_path / ".onramp" / "local.json").exists)
        report = run_json(tmp_path, "doctor")
        assert [finding for finding in report["findings"] if finding["level"] != "ok"] == []
        status = run_json(tmp_path, "status")
    assert status["unreadable"] == {}
    assert status["reconciler"] == {"lastCompleted": None, "secondsAgo": None, "newlyDeployed": True}


def test_a_second_stack_in_a_directory_is_refused_and_the_first_one_keeps_its_file(tmp_path: Path) -> None:
    file = tmp_path / ".onramp" / "local.json"
    with local_up(tmp_path, "--port", "0") as first:
        state = eventually(lambda: file.read_text() if file.exists() else "")
        with local_up(tmp_path, "--port", "0") as second:
            out, err = second.communicate(timeout=20)
        assert (second.returncode, out) == (2, "")
        assert err.startswith(f"onramp: A local stack runs already in this directory ({json.loads(state)['endpoint']})")
        assert err.count("\n") == 1
        assert file.read_text() == state
        os.killpg(first.pid, signal.SIGKILL)
    with local_up(tmp_path, "--port", "0"):  # the file of a killed stack is replaced
        assert eventually(lambda: file.read_text() != state)


def test_a_port_in_use_is_reported_in_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(PortTakenError):
            LocalStack.start(port)
        with local_up(tmp_path, "--port", str(port)) as process:
            out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, "")
    assert err.startswith(f"onramp: Port {port} is taken: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--stripe-url", "nowhere"], ["--port", "70000"]])
def test_an_invalid_option_is_named_in_the_error(tmp_path: Path, arguments: list[str]) -> None:
    with local_up(tmp_path, *arguments) as process:
        _, err = process.communicate(timeout=20)
    assert process.returncode == 2
    assert arguments[0] in err
    assert "Traceback" not in err


def test_no_process_outlives_a_killed_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, scratch = parent.stdout.readline().split()
        assert group_exists(int(pid))
        parent.send_signal(signal.SIGKILL)
    assert eventually(lambda: not group_exists(int(pid)))
    assert eventually(lambda: not Path(scratch).exists())


def test_a_stack_ends_with_its_block_even_when_its_server_was_killed() -> None:
    with LocalStack.start(template=TEMPLATE) as stack:
        os.kill(stack.server.pid, signal.SIGKILL)
    assert not group_exists(stack.server.pid)
    assert not stack.server.scratch.exists()


def test_the_callers_aws_settings_do_not_reach_the_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a real one")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with LocalStack.start(template=TEMPLATE, stripe_url="http://127.0.0.1:9") as stack:
        assert stack.fakes["stripe"] == "http://127.0.0.1:9"
        answer = stack.client("lambda").invoke(FunctionName=stack.outputs["FunctionName"], Payload=b'{"environ": true}')
        names = json.loads(answer["Payload"].read())
    assert "AWS_PROFILE" not in names
    assert names["AWS_ENDPOINT_URL"] == stack.endpoint
    assert names["AWS_SESSION_TOKEN"] == ""


def test_the_emulator_has_the_pause_that_the_server_shortens() -> None:
    from ministack.services import lambda_svc

    assert lambda_svc._ESM_IDLE_WAKE_GAP_SECONDS > POLLER_PAUSE_SECONDS
