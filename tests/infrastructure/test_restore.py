"""The trigger after SnapStart has restored it: its first signup finds open connections, as after a cold start."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.infrastructure.translation import ROOT, Translation
from tests.tls_aws import TlsAws

LIBRARY = """
hooks = []
def register_after_restore(function):
    hooks.append(function)
"""
PROBE = """
import json, os, random, sys
sys.path[:0] = [sys.argv[1], sys.argv[2]]
answers, sys.stdout = sys.stdout, open(os.devnull, "w")
from functions.post_confirmation.handler import handler
import snapshot_restore_py

connected = []
sys.addaudithook(lambda event, _: event == "socket.connect" and connected.append(event))
state = random.getstate()
for hook in snapshot_restore_py.hooks:
    hook()
seen = {"hooks": len(snapshot_restore_py.hooks), "after restore": len(connected)}
seen["same random state"] = random.getstate() == state
connected.clear()

class Context:
    function_name, memory_limit_in_mb, invoked_function_arn, aws_request_id = "trigger", 1024, "arn:aws:lambda", "id"
    def get_remaining_time_in_millis(self):
        return 5000

handler(json.loads(sys.argv[3]), Context())
seen["first signup"] = len(connected)
print(json.dumps(seen), file=answers, flush=True)
"""


@pytest.fixture(scope="module")
def seen(
    trigger_artifact: Path, aws: TlsAws, template: Translation, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("restored")
    shutil.copytree(trigger_artifact, folder / "artifact")
    aws.trust_in(folder / "artifact")
    (folder / "runtime").mkdir()
    (folder / "runtime" / "snapshot_restore_py.py").write_text(LIBRARY)
    event = (ROOT / "events" / "post_confirmation_native.json").read_text()
    settings = template.settings("PostConfirmationFunction") | {"USER_POOL_IDS": json.loads(event)["userPoolId"]}
    paths = str(folder / "artifact"), str(folder / "runtime")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROBE, *paths, event],
        env=aws.environment() | settings,
        check=True,
        capture_output=True,
        text=True,
    )
    return {**json.loads(done.stdout), "requests": aws.requests()}


def test_the_hook_replaces_both_connections(seen: dict[str, Any]) -> None:
    assert (seen["hooks"], seen["after restore"]) == (1, 2)


def test_the_first_signup_opens_none(seen: dict[str, Any]) -> None:
    assert seen["first signup"] == 0
    assert seen["requests"] == ["", "", "", "", "updateitem", "putevents"]


def test_restored_environments_do_not_share_random_numbers(seen: dict[str, Any]) -> None:
    assert seen["same random state"] is False


def test_the_artifact_uses_the_library_of_the_runtime(trigger_artifact: Path) -> None:
    assert not list(trigger_artifact.glob("snapshot_restore_py*"))
