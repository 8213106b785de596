"""Stripe's key is revoked and replaced."""

from __future__ import annotations

import json

from scripts.stories.recorder import Recorder

from tests.deployed import DeployedPipeline, eventually
from tests.ops.aws_cli import run_aws

ROLLED = "sk_test_rolled"
USERS = [f"night{number:02}@example.com" for number in range(12)]


def revoked_key(recorder: Recorder) -> None:
    deployed = recorder.deployed
    deployed.join("evening@example.com")
    deployed.ready("evening@example.com")
    deployed.stripe.accept_key(ROLLED)
    for email in USERS:
        deployed.join(email)
    eventually(lambda: alarm_fires(deployed), what="ProviderKeyRejectedAlarm")
    deployed.until_owed("enrich", *USERS)
    deployed.stack.client("lambda").invoke(
        FunctionName=deployed.outputs["ReconcileFunctionName"], Qualifier="live", Payload=b"{}"
    )

    recorder.write("""
        # A revoked key

        Stripe's key was rolled in the dashboard, but not in Onramp. Twelve users sign up, and
        `ProviderKeyRejectedAlarm` fires. All commands ran on the local stack with `ONRAMP_STACK` set. This page is
        written by `python -m scripts.stories`.

        ## The extent
        """)
    recorder.run("status")
    recorder.write("""
        Twelve users are owed `enrich`, and the dead-letter queues are empty: a rejected key is not an error of a
        message, so the messages are retried.

        ## The cause
        """)
    recorder.run("doctor", "--only", "alarms", "--only", "stripe", "--only", "revenuecat")
    recorder.write("""
        ## The cure

        The command from the doctor, with the key from Stripe's dashboard in place of `KEY`:
        """)
    cure = stripe_cure(recorder)
    run_aws(cure.replace("KEY", ROLLED), deployed.stack.client)
    recorder.show(cure)
    for email in USERS:
        deployed.ready(email)
    eventually(lambda: deployed.depth("ProvisioningQueueUrl") == 0, what="the queue drained")
    recorder.write("""
        The workers read the key again after the next rejection. No redrive and no restart is needed. A minute later:

        ## The result
        """)
    recorder.run("doctor", "--only", "stripe", "--only", "owed")
    recorder.run("status")
    recorder.write("All users are ready, each with one Stripe customer, and the dead-letter queue stayed empty.")


def alarm_fires(deployed: DeployedPipeline) -> bool:
    alarms = deployed.stack.client("cloudwatch").describe_alarms(StateValue="ALARM")["MetricAlarms"]
    return any("ProviderKeyRejected" in alarm["AlarmName"] for alarm in alarms)


def stripe_cure(recorder: Recorder) -> str:
    """The doctor's cure for Stripe, which is not recorded."""
    findings = json.loads(recorder.query("doctor", "--only", "stripe", "--json"))["findings"]
    return next(str(finding["cure"]) for finding in findings if finding["level"] == "trouble")
