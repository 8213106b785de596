"""One execution environment: imports a handler from its artifact, invokes it, and prints what that cost as JSON.

python -P cold_process.py ARTIFACT HANDLER EVENT INVOCATIONS

It runs from the file, so that the artifact is the only source of imports. Processor times and the wall time are
seconds, the memory is the peak in KiB.
"""

import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path


class Context:
    function_name = "bench"
    memory_limit_in_mb = 1024
    invoked_function_arn = "arn:aws:lambda:eu-west-1:000000000000:function:bench"
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        return 5000


def main() -> None:
    artifact, name, event_file, invocations = sys.argv[1:]
    event_text = Path(event_file).read_text()
    sys.path.insert(0, artifact)
    answers, sys.stdout = sys.stdout, open(os.devnull, "w", buffering=1)  # the log lines, unbuffered as on Lambda
    started = time.process_time()
    module, _, function = name.rpartition(".")
    handler = getattr(importlib.import_module(module), function)
    imported = time.process_time()
    figures = {"init": imported - started}
    for call in ("first", "second"):
        event, wall, cpu = json.loads(event_text), time.perf_counter(), time.process_time()
        handler(event, Context())
        figures[call], figures[f"{call}_wall"] = time.process_time() - cpu, time.perf_counter() - wall
    figures["cold"] = figures["init"] + figures["first"]
    cpu = time.process_time()
    for _ in range(int(invocations)):
        handler(json.loads(event_text), Context())
    figures["warm"] = (time.process_time() - cpu) / int(invocations)
    figures["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps(figures), file=answers)


if __name__ == "__main__":
    main()
