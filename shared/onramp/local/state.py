"""The file .onramp/local.json: the running stack's endpoint, region, outputs and fakes, for other programs.

One stack runs in a directory: with two, a command without `--stack` could change the data of the wrong one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from onramp.local.errors import AlreadyRunningError
from onramp.ops.common.private_file import open_private

if TYPE_CHECKING:
    from onramp.local.stack import LocalStack

STATE_FILE = Path(".onramp", "local.json")
LOCK_FILE = STATE_FILE.with_suffix(".lock")


@contextmanager
def exclusive() -> Iterator[None]:
    """Raises AlreadyRunningError. The kernel releases the lock when the process ends, also on SIGKILL."""
    STATE_FILE.parent.mkdir(exist_ok=True)
    # Never removed: another process may have it open.
    with os.fdopen(open_private(LOCK_FILE, os.O_WRONLY), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(_endpoint()) from None
        yield


@contextmanager
def state_file(stack: LocalStack) -> Iterator[None]:
    """The file exists within the block; it replaces the file of a stack that was killed."""
    _write(stack)
    try:
        yield
    finally:
        STATE_FILE.unlink(missing_ok=True)


def _write(stack: LocalStack) -> None:
    """Atomically: a reader sees the whole file or none."""
    state = {
        "endpoint": stack.endpoint,
        "region": stack.region,
        "outputs": stack.outputs,
        "fakes": stack.fakes,
    }
    temporary = STATE_FILE.with_suffix(f".{os.getpid()}.tmp")
    with os.fdopen(open_private(temporary, os.O_WRONLY | os.O_TRUNC), "w") as file:
        file.write(json.dumps(state, indent=2) + "\n")
    temporary.replace(STATE_FILE)


def _endpoint() -> str | None:
    """None while the running stack still starts."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        return str(json.loads(STATE_FILE.read_text())["endpoint"])
    return None
