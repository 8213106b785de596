"""Twelve things wrong with a deployment at once."""

from __future__ import annotations

import contextlib
import json

from scripts.stories.teller import Teller

from tests.ops.aws_cli import run_aws
from tests.ops.faulty_stack import FAULTS, KEYS, Fault, FaultyStack

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


def planted() -> list[Fault]:
    return [fault for fault in FAULTS if fault.plant in PLANTED]


def twelve_faults(teller: Teller) -> None:
    faulty = FaultyStack(teller.deployed.stack)
    with contextlib.ExitStack() as stack:
        for fault in planted():
            stack.callback(fault.plant(faulty))
        teller.says("""
            # Twelve faults

            Somebody has been in the console, and twelve things are wrong with this deployment. One command finds them,
            says why each matters and what cures it. Everything below ran on the local stack, with `ONRAMP_STACK` set,
            and is written by `python -m scripts.stories`.
            """)
        teller.runs("doctor")
        cured(teller, faulty)
    teller.says("""
        ## The cures

        Each was run as it stands, with the providers' real keys in the place of `KEY`; the deployments were made, and
        the user who waited was seen to. After that:
        """)
    teller.runs("doctor")


def cured(teller: Teller, faulty: FaultyStack) -> None:
    """What the doctor prescribes and a test can run."""
    runs = {fault.group: fault for fault in planted() if fault.runs}
    for finding in json.loads(teller.asks("doctor", "--json"))["findings"]:
        cure, group = str(finding["cure"]), finding["check"]
        if cure.startswith("aws ") and group in runs:
            run_aws(cure.replace("KEY", KEYS.get(group, "")), faulty.client)
        elif cure.startswith("onramp attach"):
            teller.asks(*cure.split()[1:], "--yes")
