""".onramp/local.json: where a running stack is, for programs in the same directory that know nothing else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onramp.local.stack import LocalStack

STATE_FILE = Path(".onramp", "local.json")


def write_state(stack: LocalStack) -> None:
    """Atomically: a reader finds a whole file or none."""
    state = {
        "endpoint": stack.endpoint,
        "region": stack.region,
        "outputs": stack.outputs,
        "fakes": stack.fakes,
    }
    STATE_FILE.parent.mkdir(exist_ok=True)
    draft = STATE_FILE.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(json.dumps(state, indent=2) + "\n")
    draft.replace(STATE_FILE)


def remove_state(stack: LocalStack) -> None:
    """Unless another stack has meanwhile written its own."""
    try:
        if json.loads(STATE_FILE.read_text())["endpoint"] == stack.endpoint:
            STATE_FILE.unlink()
    except (FileNotFoundError, ValueError, KeyError):
        return
