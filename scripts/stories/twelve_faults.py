"""`onramp doctor` on a stack with twelve faults."""

from __future__ import annotations

import contextlib
import json

from scripts.stories.recorder import Recorder

from tests.ops.aws_cli import run_aws
from tests.ops.faulty_stack import FAULTS, KEYS, Fault, FaultyStack

PLANTED = (
    FaultyStack.drops_its_trigger,
    FaultyStack.signs_in_through_a_stranger,
    FaultyStack.is_switched_off,
    FaultyStack.disables_the_rule,
    FaultyStack.loses_what_it_cannot_deliver,
    FaultyStack.shuts_eventbridge_out,
    FaultyStack.forgets_letters_early,
    FaultyStack.has_a_revoked_key,
    FaultyStack.has_a_key_of_the_old_api,
    FaultyStack.stops_the_schedule,
    FaultyStack.silences_its_alarms,
    FaultyStack.waits_for_the_operator,
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

        Each cure was run as printed, with the providers' real keys in place of `KEY`. The deployments were made, and
        the waiting user was redriven. After that:
        """)
    recorder.run("doctor")


def run_cures(recorder: Recorder, faulty: FaultyStack) -> None:
    """Runs the doctor's cures, except deployments and redrives."""
    runs = {fault.group: fault for fault in planted_faults() if fault.runs}
    for finding in json.loads(recorder.query("doctor", "--json"))["findings"]:
        cure, group = str(finding["cure"]), finding["check"]
        if cure.startswith("aws ") and group in runs:
            run_aws(cure.replace("KEY", KEYS.get(group, "")), faulty.client)
        elif cure.startswith("onramp attach"):
            recorder.query(*cure.split()[1:], "--yes")
