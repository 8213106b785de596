"""The artifacts for the Python that runs the tests: the processes of a test run share them, because a build is slow."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest
from scripts.build import SERVICES, build

from tests.contracts.runtime_api import RUNTIME


def host_artifacts(directories: pytest.TempPathFactory) -> dict[str, Path]:
    """Function -> the folder of its artifact, to be read only."""
    base = directories.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # of all processes of this run
    folders = {function: base / "host-artifacts" / function for function in SERVICES}
    with (base / "host-artifacts.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed, also by the end of the process
        for function, folder in folders.items():
            if not (built := folder.with_suffix(".built")).exists():
                build(function, folder, "host", RUNTIME)
                built.touch()
    return folders
