"""From the confirmation to a ready profile on the warm local stack: `python -m tests.bench.bench_signup [SIGNUPS]`.

One signup after the other, each through Cognito's API, the trigger, EventBridge, the queue, the worker and both fakes.
The clock runs from the call of ConfirmSignUp until a read finds the profile ready.
"""

from __future__ import annotations

import sys
import time
from statistics import quantiles

from onramp.local.stack import LocalStack
from tests.bench.ratios import TOLERANCE
from tests.deployed import DEADLINE, DeployedPipeline, unique_email

SIGNUPS, WARM_UP = 200, 30
MEDIAN_TARGET, P95_TARGET = 60.0, 120.0
PAUSE = 0.002
"""Between two reads: the emulator answers them on the processors that it shares with the pipeline."""


def main(signups: int) -> int:
    with LocalStack.start() as stack:
        deployed = DeployedPipeline(stack)
        for _ in range(WARM_UP):
            milliseconds(deployed)
        took = [milliseconds(deployed) for _ in range(signups)]
    cuts = quantiles(took, n=20)
    missed = [say("p50", cuts[9], MEDIAN_TARGET), say("p95", cuts[18], P95_TARGET)]
    return int(any(missed))


def milliseconds(deployed: DeployedPipeline) -> float:
    """From the confirmation of one new user to their ready profile."""
    email = unique_email("bench")
    sub = deployed.sign_up(email)
    started = time.perf_counter()
    deployed.confirm(email)
    while time.perf_counter() < started + DEADLINE:
        if (deployed.profile(sub) or {}).get("provisioningStatus") == "ready":
            return (time.perf_counter() - started) * 1000
        time.sleep(PAUSE)
    raise SystemExit(f"a signup was not ready after {DEADLINE:.0f} s")


def say(name: str, figure: float, target: float) -> bool:
    """Whether the target was missed."""
    missed = figure > target * TOLERANCE
    print(f"signup to ready, {name}: {figure:.0f} ms, target {target:.0f} {'MISSED' if missed else 'met'}")
    return missed


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else SIGNUPS))
