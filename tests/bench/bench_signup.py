"""From the confirmation to a ready profile on the warm local stack: `python -m tests.bench.bench_signup [SIGNUPS]`.

One signup after the other, each through Cognito's API, the trigger, EventBridge, the queue, the worker and both fakes.
The clock runs from the call of ConfirmSignUp until a read finds the profile ready.
"""

from __future__ import annotations

import sys
import time
import uuid
from statistics import quantiles

from onramp.local.stack import LocalStack

SIGNUPS, WARM_UP = 200, 30
MEDIAN_TARGET, P95_TARGET = 60.0, 120.0
TOLERANCE = 1.05
PAUSE = 0.002
"""Between two reads: the emulator answers them on the processors that it shares with the pipeline."""


def main(signups: int) -> int:
    with LocalStack.start() as stack:
        for _ in range(WARM_UP):
            milliseconds(stack)
        took = [milliseconds(stack) for _ in range(signups)]
    cuts = quantiles(took, n=20)
    missed = [say("p50", cuts[9], MEDIAN_TARGET), say("p95", cuts[18], P95_TARGET)]
    return int(any(missed))


def milliseconds(stack: LocalStack) -> float:
    """From the confirmation of one new user to their ready profile."""
    email, client = f"{uuid.uuid4().hex}@example.com", stack.outputs["UserPoolClientId"]
    cognito, dynamodb = stack.client("cognito-idp"), stack.client("dynamodb")
    sub = cognito.sign_up(ClientId=client, Username=email, Password="Correct-horse-9-battery")["UserSub"]
    key = {"TableName": stack.outputs["UserProfilesTableName"], "Key": {"userId": {"S": sub}}}
    started = time.perf_counter()
    cognito.confirm_sign_up(ClientId=client, Username=email, ConfirmationCode="123456")
    while time.perf_counter() < started + 30:
        profile = dynamodb.get_item(**key, ConsistentRead=True).get("Item", {})
        if profile.get("provisioningStatus", {}).get("S") == "ready":
            return (time.perf_counter() - started) * 1000
        time.sleep(PAUSE)
    raise SystemExit("a signup was not ready after 30 s")


def say(name: str, figure: float, target: float) -> bool:
    """Whether the target was missed."""
    missed = figure > target * TOLERANCE
    print(f"signup to ready, {name}: {figure:.0f} ms, target {target:.0f} {'MISSED' if missed else 'met'}")
    return missed


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else SIGNUPS))
