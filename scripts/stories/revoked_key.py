"""The second story: Stripe's key is revoked for a while."""

from __future__ import annotations

import json

from scripts.stories.teller import Teller

from tests.deployed import DeployedPipeline, eventually
from tests.ops.aws_cli import run_aws

ROLLED = "sk_test_rolled"
PEOPLE = [f"night{number:02}@example.com" for number in range(12)]


def revoked_key(teller: Teller) -> None:
    deployed = teller.deployed
    deployed.join("evening@example.com")
    deployed.ready("evening@example.com")
    deployed.stripe.accept_key(ROLLED)
    for email in PEOPLE:
        deployed.join(email)
    eventually(lambda: rings(deployed), what="ProviderKeyRejectedAlarm")
    deployed.until_owed("enrich", *PEOPLE)
    deployed.stack.client("lambda").invoke(
        FunctionName=deployed.outputs["ReconcileFunctionName"], Qualifier="live", Payload=b"{}"
    )

    teller.says("""
        # A revoked key

        In the evening somebody rolls Stripe's key in the dashboard and tells nobody. Twelve people sign up;
        `ProviderKeyRejectedAlarm` rings. Everything below ran on the local stack, with `ONRAMP_STACK` set, and is
        written by `python -m scripts.stories`.

        ## How bad is it?
        """)
    teller.runs("status")
    teller.says("""
        Twelve are owed their profile, and nothing is in a dead-letter queue: a refused key is nobody's message's fault,
        so the messages wait. There is time.

        ## What is it?
        """)
    teller.runs("doctor", "--only", "alarms", "--only", "stripe", "--only", "revenuecat")
    teller.says("""
        ## The cure

        As prescribed, with the key from Stripe's dashboard in the place of `KEY`:
        """)
    cure = prescribed(teller)
    run_aws(cure.replace("KEY", ROLLED), deployed.stack.client)
    teller.shows(cure)
    for email in PEOPLE:
        deployed.ready(email)
    eventually(lambda: deployed.depth("ProvisioningQueueUrl") == 0, what="the queue drained")
    teller.says("""
        The workers read the key again after the next refusal. Nothing is redriven, nothing restarted; a minute later:

        ## Is it cured?
        """)
    teller.runs("doctor", "--only", "stripe", "--only", "owed")
    teller.runs("status")
    teller.says("Everybody is ready, each with one customer, and the dead-letter queue was empty all night.")


def rings(deployed: DeployedPipeline) -> bool:
    alarms = deployed.stack.client("cloudwatch").describe_alarms(StateValue="ALARM")["MetricAlarms"]
    return any("ProviderKeyRejected" in alarm["AlarmName"] for alarm in alarms)


def prescribed(teller: Teller) -> str:
    """What the doctor says is the cure, without a word of it on the page."""
    found = json.loads(teller.asks("doctor", "--only", "stripe", "--json"))["findings"]
    return next(str(finding["cure"]) for finding in found if finding["level"] == "trouble")
