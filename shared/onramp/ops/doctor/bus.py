"""The event bus: does it exist, does our rule take what we emit to the queue, is it archived."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code
from onramp.domain.event_data import SOURCE, Kind
from onramp.ops.common.deployment import Deployment
from onramp.ops.doctor.findings import Finding, ok, trouble, warning

RULE = "UserSignedUpRule"
UNHEARD = "signups stay owed: nobody is enriched, and no other team hears of them."
UNQUEUED = "signups never reach the worker; the reconciler queues them one by one, hours later."


def bus(stack: Deployment) -> Iterator[Finding]:
    name = stack.outputs["EventBusName"]
    try:
        described = stack.client("events").describe_event_bus(Name=name)
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        cure = f"aws events create-event-bus --name {name}  (and run the doctor again, for its rule)"
        yield trouble(f"there is no event bus {name}.", UNHEARD, cure)
        return
    yield ok(f"the event bus {name} is there.")
    archives = stack.client("events").list_archives(EventSourceArn=described["Arn"])["Archives"]
    if not any(archive["State"] == "ENABLED" for archive in archives):
        why = "what happens now can be replayed from the table only, and to every consumer at once."
        cure = f"aws events create-archive --archive-name {name} --event-source-arn {described['Arn']}"
        yield warning(f"nothing archives the events of {name}.", why, f"{cure} --retention-days 30")


def rule(stack: Deployment) -> Iterator[Finding]:
    events, name, bus_name = stack.client("events"), stack.resource(RULE), stack.outputs["EventBusName"]
    where = f"--name {name} --event-bus-name {bus_name}"
    pattern = json.dumps({"source": [SOURCE], "detail-type": [Kind.USER_SIGNED_UP], "account": [stack.trigger.account]})
    put = f"aws events put-rule {where} --event-pattern '{pattern}'"
    try:
        described = events.describe_rule(Name=name, EventBusName=bus_name)
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        yield trouble(f"there is no rule {name or RULE} on {bus_name}.", UNQUEUED, put)
        return
    if described["State"] == "DISABLED":
        yield trouble(f"the rule {name} is disabled.", UNQUEUED, f"aws events enable-rule {where}")
    if not _takes_signups(stack, described.get("EventPattern", "{}")):
        yield trouble(f"the rule {name} does not match UserSignedUp.", UNQUEUED, put)
    targets = events.list_targets_by_rule(Rule=name, EventBusName=bus_name)["Targets"]
    yield from _delivers(stack, f"--rule {name} --event-bus-name {bus_name}", targets)


def _takes_signups(stack: Deployment, pattern: str) -> bool:
    """EventBridge itself is asked: a pattern may say more than we would read in it."""
    alias = stack.trigger
    event = {
        "id": "doctor",
        "account": alias.account,
        "region": alias.region,
        "time": "2026-01-01T00:00:00Z",
        "source": SOURCE,
        "detail-type": Kind.USER_SIGNED_UP.value,
        "resources": [],
        "detail": {"metadata": {}, "data": {}},
    }
    reply = stack.client("events").test_event_pattern(EventPattern=pattern, Event=json.dumps(event))
    return bool(reply["Result"])


def _delivers(stack: Deployment, where: str, targets: list[dict[str, Any]]) -> Iterator[Finding]:
    queue, letters = (stack.queue(name)["QueueArn"] for name in ("ProvisioningQueueUrl", "EventDeliveryDlqUrl"))
    target = {"Id": "ProvisioningQueue", "Arn": queue, "DeadLetterConfig": {"Arn": letters}}
    cure = f"aws events put-targets {where} --targets '{json.dumps([target])}'"
    ours = [found for found in targets if found["Arn"] == queue]
    if not ours:
        yield trouble("the rule does not deliver to ProvisioningQueue.", UNQUEUED, cure)
    elif ours[0].get("DeadLetterConfig", {}).get("Arn") != letters:
        why = "what EventBridge cannot deliver within a day is dropped without a trace."
        yield trouble("the rule's target has no dead-letter queue.", why, cure)
    else:
        yield ok("the rule delivers to ProvisioningQueue, and what it cannot deliver to EventDeliveryDlq.")
