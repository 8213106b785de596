"""`onramp doctor` on a stack with twelve faults."""

from __future__ import annotations

import contextlib
import json

from scripts.stories.recorder import Recorder

from tests.ops.aws_cli import run_aws
from tests.ops.faults.planting import Fault
from tests.ops.faults.secrets import KEYS
from tests.ops.faulty_stack import FAULTS, FaultyStack

PLANTED = (
    FaultyStack.pool_without_trigger,
    FaultyStack.untrusted_identity_provider,
    FaultyStack.worker_without_concurrency,
    FaultyStack.disabled_rule,
    FaultyStack.target_without_dead_letter_queue,
    FaultyStack.queue_without_policy,
    FaultyStack.short_dead_letter_retention,
    FaultyStack.revoked_key,
    FaultyStack.key_of_the_old_api,
    FaultyStack.disabled_schedule,
    FaultyStack.alarms_without_enabled_actions,
    FaultyStack.owed_operator,
)


def planted_faults() -> list[Fault]:
    return [fault for fault in FAULTS if fault.plant in PLANTED]


def twelve_faults(recorder: Recorder) -> None:
    faulty = FaultyStack(recorder.deployed.stack)
    with contextlib.ExitStack() as stack:
        for fault in planted_faults():
            stack.callback(fault.plant(faulty))
        recorder.write("""
            # Twelve faults

            Manual changes in the console have broken this deployment in twelve places. One command finds all faults
            and shows the effect and the cure of each. All commands ran on the local stack with `ONRAMP_STACK` set. This
            page is written by `python -m scripts.stories`.
            """)
        recorder.run("doctor")
        run_cures(recorder, faulty)
    recorder.write("""
        ## The cures

        Each cure was run as printed, with the providers' real keys in place of `KEY`. Two were not: a local stack takes
        no deployment, so the script removed Fabrikam from the pool, and it removed the user who was owed `operator`,
        a record without a signup. After that:
        """)
    recorder.run("doctor")


def run_cures(recorder: Recorder, faulty: FaultyStack) -> None:
    """Runs the doctor's cures, except the deployment and the redrive."""
    runs = {fault.group: fault for fault in planted_faults() if fault.runs}
    for finding in json.loads(recorder.query("doctor", "--json"))["findings"]:
        cure, group = str(finding["cure"]), finding["check"]
        if cure.startswith("aws ") and group in runs:
            run_aws(cure.replace("KEY", KEYS.get(group, "")), faulty.client)
        elif cure.startswith("onramp attach"):
            recorder.query(*cure.split()[1:], "--yes")
