"""Two operators redrive one dead-letter queue, and the process of one is killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from scripts.stories.recorder import Recorder

from onramp.local.parameters import STACK_NAME
from tests.deployed import DeployedPipeline, eventually

USERS = [f"user{number:02}@example.com" for number in range(60)]
REDRIVE = ("dlq", "redrive", "--reason", "stripe_refused_400", "--yes")
DLQ = "ProvisioningDlqUrl"
HOLD_SECONDS, MARGIN_SECONDS = 8, 1
REMAINING = "34"
"""The number of remaining messages on the page. Each run has its own number."""


def two_operators(recorder: Recorder) -> None:
    deployed = recorder.deployed
    deployed.stripe.fault("refused", operation="create", code="email_invalid", times=None)
    for email in USERS:
        deployed.join(email)
    deployed.until_owed("operator", *USERS)
    deployed.stripe.clear()
    recorder.write(f"""
        # Two operators and a killed process

        Stripe refused {len(USERS)} users, and the cause is fixed. Two operators, Ada and Ben, work at the same time.
        All commands ran on the local stack with `ONRAMP_STACK` set. This page is written by
        `python -m scripts.stories`.

        ## Ada starts a redrive
        """)
    recorder.show(f"onramp {' '.join(REDRIVE)} --rate 6")
    with other_operator(deployed, *REDRIVE, "--rate", "6"):
        eventually(lambda: ready_users(deployed) > 12, what="Ada's redrive has sent some users")
        recorder.write("""
            ## Ben starts the same redrive

            A message that one operator has received is invisible to all others, so Ben's command has nothing to send:
            """)
        recorder.run(*REDRIVE)
        recorder.run("dlq", "list")
        before = deployed.depth(DLQ)
        eventually(lambda: deployed.depth(DLQ) < before, what="another batch")  # not between a send and its delete
    remaining = eventually(lambda: str(deployed.depth(DLQ)), what="the remaining messages")
    recorder.write("""
        ## Ada's process is killed

        `kill -9` ends Ada's redrive before it is complete. The users that it sent are being processed. The messages
        that it had received become visible again within two minutes:
        """)
    eventually(lambda: deployed.depth(DLQ, "NotVisible") == 0, what="all messages visible again")
    recorder.run("dlq", "list")
    recorder.run(*REDRIVE)
    for email in USERS:
        deployed.ready(email)
    recorder.write("""
        A redrive deletes a message only after SQS has confirmed the send, so no user is lost. A user who is sent twice
        keeps one Stripe customer. The audit log contains all runs, also the killed one:
        """)
    recorder.run("audit")
    recorder.replace(remaining, REMAINING)


def ready_users(deployed: DeployedPipeline) -> int:
    profiles = deployed.dynamodb.scan(TableName=deployed.outputs["UserProfilesTableName"])["Items"]
    return sum(profile["provisioningStatus"]["S"] == "ready" for profile in profiles)


@contextmanager
def other_operator(deployed: DeployedPipeline, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """An `onramp` command in its own process, killed at the end. Its received messages stay hidden for seconds."""
    program = (
        "from onramp.ops.cli import main; from onramp.ops.common import queue_reader;"
        "from onramp.ops.dlq import redrive, redrive_command;"
        f"redrive_command.WORKING_SECONDS = {HOLD_SECONDS};"
        f"redrive.MARGIN_SECONDS = queue_reader.MARGIN_SECONDS = {MARGIN_SECONDS};"
        f"main({list(arguments)!r})"
    )
    environment = {**os.environ, **deployed.stack.environment(), "ONRAMP_STACK": STACK_NAME}
    quiet = subprocess.DEVNULL
    with subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=quiet, stderr=quiet) as process:  # noqa: S603 - our own command
        try:
            yield process
        finally:
            process.kill()
