"""Two operators on one dead-letter queue, and the laptop of one of them dies."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from scripts.stories.teller import Teller

from onramp.local.parameters import STACK_NAME
from tests.deployed import DeployedPipeline, eventually

PEOPLE = [f"user{number:02}@example.com" for number in range(60)]
REDRIVE = ("dlq", "redrive", "--reason", "stripe_refused_400", "--yes")
DLQ = "ProvisioningDlqUrl"
HOLD_SECONDS, MARGIN_SECONDS = 8, 1
LEFT = "34"
"""Where the page says how many were left; every run has its own number."""


def two_operators(teller: Teller) -> None:
    deployed = teller.deployed
    deployed.stripe.fault("refused", operation="create", code="email_invalid", times=None)
    for email in PEOPLE:
        deployed.join(email)
    deployed.until_owed("operator", *PEOPLE)
    deployed.stripe.clear()
    teller.says(f"""
        # Two operators and a dead laptop

        {len(PEOPLE)} users were refused by Stripe, and the cause is mended. Ada and Ben both were woken. Everything
        below ran on the local stack, with `ONRAMP_STACK` set, and is written by `python -m scripts.stories`.

        ## Ada begins
        """)
    teller.shows(f"onramp {' '.join(REDRIVE)} --rate 6")
    with colleague(deployed, *REDRIVE, "--rate", "6"):
        eventually(lambda: ready(deployed) > 12, what="Ada in the middle of it")
        teller.says("""
            ## Ben does the same

            A letter that one operator holds is hidden from everybody else, so Ben's command has nothing to send:
            """)
        teller.runs(*REDRIVE)
        teller.runs("dlq", "list")
        before = deployed.depth(DLQ)
        eventually(lambda: deployed.depth(DLQ) < before, what="another batch")  # not between its send and its delete
    left = eventually(lambda: str(deployed.depth(DLQ)), what="the letters that are left")
    teller.says("""
        ## Ada's laptop dies

        In the middle of it, with no time to say goodbye (`kill -9`). Whoever was sent is on the way; the letters that
        she held come back by themselves within two minutes:
        """)
    eventually(lambda: deployed.depth(DLQ, "NotVisible") == 0, what="the letters given back")
    teller.runs("dlq", "list")
    teller.runs(*REDRIVE)
    for email in PEOPLE:
        deployed.ready(email)
    teller.says("""
        A letter is deleted only after its message was confirmed, so nobody was lost; a user who was sent twice is the
        same customer, so nobody was doubled. The audit has all of it, the run that never ended too:
        """)
    teller.runs("audit")
    teller.stands_for(left, LEFT)


def ready(deployed: DeployedPipeline) -> int:
    profiles = deployed.dynamodb.scan(TableName=deployed.outputs["UserProfilesTableName"])["Items"]
    return sum(profile["provisioningStatus"]["S"] == "ready" for profile in profiles)


@contextmanager
def colleague(deployed: DeployedPipeline, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Somebody else's `onramp`, in a process of its own that is killed at the end. What it holds, it holds not long."""
    program = (
        "from onramp.ops.common import queue_reader; from onramp.ops.dlq import redrive, redrive_command;"
        f"redrive_command.WORKING_SECONDS = {HOLD_SECONDS};"
        f"redrive.MARGIN_SECONDS = queue_reader.MARGIN_SECONDS = {MARGIN_SECONDS};"
        f"from onramp.ops.cli import main; main({list(arguments)!r})"
    )
    environment = {**os.environ, **deployed.stack.environment(), "ONRAMP_STACK": STACK_NAME}
    quiet = subprocess.DEVNULL
    with subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=quiet, stderr=quiet) as process:  # noqa: S603 - our own command
        try:
            yield process
        finally:
            process.kill()
