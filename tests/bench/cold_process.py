"""One execution environment: imports a handler from its artifact, invokes it, and prints what that cost as JSON.

python -I -S cold_process.py ARTIFACT HANDLER EVENT INVOCATIONS

Processor and wall times are seconds; `memory` is the peak in KiB.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Context:
    function_name = "bench"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:eu-west-1:000000000000:function:bench"
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return 5000


def measure(artifact: str, name: str, event: str, invocations: int) -> dict[str, float]:
    sys.path.insert(0, artifact)
    module, _, function = name.rpartition(".")
    started = time.process_time()
    handler = getattr(importlib.import_module(module), function)
    init = time.process_time() - started
    first, first_wall = timed(handler, event, 1)
    _, second_wall = timed(handler, event, 1)
    warm, _ = min(timed(handler, event, invocations // 5) for _ in range(5))
    return {"cold": init + first, "first": first, "warm": warm, "memory": peak(), "wall": first_wall / second_wall}


def peak() -> int:
    """Linux: `ru_maxrss` would include the memory of the parent at the fork."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def timed(handler: Callable[..., Any], event: str, times: int) -> tuple[float, float]:
    """Processor and wall time of one invocation, reading the event included."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(times):
        handler(json.loads(event), Context())
    return (time.process_time() - cpu) / times, (time.perf_counter() - wall) / times


def main() -> None:
    artifact, name, event_file, invocations = sys.argv[1:]
    answers = sys.stdout
    with Path(os.devnull).open("w", buffering=1) as sys.stdout:  # the log lines, each written at once as on Lambda
        figures = measure(artifact, name, Path(event_file).read_text(), int(invocations))
    print(json.dumps(figures), file=answers, flush=True)


if __name__ == "__main__":
    main()
