"""One execution environment of the worker: imports it from its artifact, invokes it with batches, prints the costs.

python -I -S worker_process.py ARTIFACT < one event a line

Prints one JSON object a line: `{"init": CPU seconds}`, then for each event its CPU and wall seconds, the wall seconds
of its slowest record, and the sum of the wall seconds of its HTTP requests. It reads an event only after the line of
the one before, so that several environments can start a batch at once.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

WORKER = "functions.enrich_profile.handler"


class Context:
    function_name = "bench"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:eu-west-1:000000000000:function:bench"
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def timed(function: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    """The function, and appends to `seconds` what each of its calls took."""

    def call(*arguments: Any, **options: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*arguments, **options)
        finally:
            seconds.append(time.perf_counter() - started)

    return call


def measure(artifact: str, answers: TextIO) -> None:
    sys.path.insert(0, artifact)
    records, requests = list[float](), list[float]()
    started = time.process_time()
    worker = importlib.import_module(WORKER)
    print(json.dumps({"init": time.process_time() - started}), file=answers, flush=True)
    pools = importlib.import_module("urllib3.connectionpool").HTTPConnectionPool
    pools.urlopen = timed(pools.urlopen, requests)
    vars(worker)["enrich"] = timed(worker.enrich, records)
    for line in sys.stdin:
        records.clear()
        requests.clear()
        event = json.loads(line)
        cpu, wall = time.process_time(), time.perf_counter()
        reply = worker.handler(event, Context())
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        figures = {"cpu": cpu, "wall": wall, "slowest": max(records), "serial": sum(requests), "calls": len(requests)}
        print(json.dumps(figures | {"failed": reply["batchItemFailures"]}), file=answers, flush=True)


def main() -> None:
    answers = sys.stdout
    with Path(os.devnull).open("w", buffering=1) as sys.stdout:  # the log lines, each written at once as on Lambda
        measure(sys.argv[1], answers)


if __name__ == "__main__":
    main()
