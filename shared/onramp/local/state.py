"""The file .onramp/local.json: the running stack's endpoint, region, outputs and fakes, for other programs."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from onramp.ops.common.private_file import open_private

if TYPE_CHECKING:
    from onramp.local.stack import LocalStack

STATE_FILE = Path(".onramp", "local.json")


def write_state(stack: LocalStack) -> None:
    """Writes the file atomically: a reader sees the whole file or none."""
    state = {
        "endpoint": stack.endpoint,
        "region": stack.region,
        "outputs": stack.outputs,
        "fakes": stack.fakes,
    }
    STATE_FILE.parent.mkdir(exist_ok=True)
    temporary = STATE_FILE.with_suffix(f".{os.getpid()}.tmp")
    with os.fdopen(open_private(temporary, os.O_WRONLY | os.O_TRUNC), "w") as file:
        file.write(json.dumps(state, indent=2) + "\n")
    temporary.replace(STATE_FILE)


def remove_state(stack: LocalStack) -> None:
    """Removes the file unless another stack has written it since."""
    try:
        if json.loads(STATE_FILE.read_text())["endpoint"] == stack.endpoint:
            STATE_FILE.unlink()
    except (FileNotFoundError, ValueError, KeyError):
        return
