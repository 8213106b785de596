"""The event bus: does it exist, does the rule deliver every signup to the queue, is there an archive."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code
from onramp.domain.event_data import SOURCE, Kind
from onramp.ops.common.deployment import SIGNED_UP_RULE, Deployment
from onramp.ops.common.shell import command
from onramp.ops.doctor import keys
from onramp.ops.doctor.findings import Cause, Finding, ok, trouble, warning

if TYPE_CHECKING:
    from mypy_boto3_events.type_defs import TargetOutputTypeDef

NOT_EMITTED = "signups stay owed: no user is enriched, and consumers receive no event."
NOT_QUEUED = "signups do not reach the worker; only the reconciler queues them, one by one, hours later."


def bus(stack: Deployment) -> Iterator[Finding]:
    name = stack.outputs["EventBusName"]
    try:
        arn = stack.client("events").describe_event_bus(Name=name)["Arn"]
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        cure = command("aws events create-event-bus --name {}  (and run the doctor again, for its rule)", name)
        yield trouble(f"there is no event bus {name}.", NOT_EMITTED, cure, Cause.BUS)
        return
    yield ok(f"the event bus {name} exists.")
    archives = stack.client("events").list_archives(EventSourceArn=arn)["Archives"]
    if not any(archive["State"] == "ENABLED" for archive in archives):
        why = "events can be replayed from the table only, and only to all consumers at once."
        cure = command(
            "aws events create-archive --archive-name {} --event-source-arn {} --retention-days 30", name, arn
        )
        yield warning(f"no archive keeps the events of {name}.", why, cure)


def encryption(stack: Deployment) -> Iterator[Finding]:
    """Only for a bus with a customer key: PutEvents succeeds, and EventBridge loses what it cannot encrypt."""
    try:
        description = stack.client("events").describe_event_bus(Name=stack.outputs["EventBusName"])
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        return  # reported by `bus`
    name, arn = description["Name"], description["Arn"]
    if not (key := description.get("KmsKeyIdentifier")):
        return
    if missing := keys.missing_for_bus(stack, key, arn):
        why = "events are lost after PutEvents has accepted them."
        yield trouble(f"EventBridge may not use the key of the event bus {name}.", why, keys.cure(key, missing))
    else:
        yield ok(f"EventBridge may use the key of the event bus {name} and of its archive.")
    if not description.get("DeadLetterConfig", {}).get("Arn"):
        why = "events that the bus cannot encrypt or decrypt are dropped."
        yield warning(f"the event bus {name} has no dead-letter queue.", why, stack.deploy_command())


def rule(stack: Deployment) -> Iterator[Finding]:
    events, name, bus_name = stack.client("events"), stack.physical_id(SIGNED_UP_RULE), stack.outputs["EventBusName"]
    pattern = json.dumps({"source": [SOURCE], "detail-type": [Kind.USER_SIGNED_UP], "account": [stack.trigger.account]})
    put_rule = command("aws events put-rule --name {} --event-bus-name {} --event-pattern {}", name, bus_name, pattern)
    try:
        description = events.describe_rule(Name=name, EventBusName=bus_name)
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        yield trouble(f"there is no rule {name or SIGNED_UP_RULE} on {bus_name}.", NOT_QUEUED, put_rule)
        return
    if description["State"] == "DISABLED":
        enable = command("aws events enable-rule --name {} --event-bus-name {}", name, bus_name)
        yield trouble(f"the rule {name} is disabled.", NOT_QUEUED, enable)
    if not _matches_signups(stack, description.get("EventPattern", "{}")):
        yield trouble(f"the rule {name} does not match UserSignedUp.", NOT_QUEUED, put_rule)
    targets = events.list_targets_by_rule(Rule=name, EventBusName=bus_name)["Targets"]
    yield _delivery(stack, name, bus_name, targets)


def _matches_signups(stack: Deployment, pattern: str) -> bool:
    """EventBridge evaluates the pattern: its language is larger than anything compared here."""
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


def _delivery(stack: Deployment, rule: str, bus: str, targets: Sequence[TargetOutputTypeDef]) -> Finding:
    queue, dead_letters = (stack.queue(name)["QueueArn"] for name in ("ProvisioningQueueUrl", "EventDeliveryDlqUrl"))
    wanted = {"Id": "ProvisioningQueue", "Arn": queue, "DeadLetterConfig": {"Arn": dead_letters}}
    put_targets = "aws events put-targets --rule {} --event-bus-name {} --targets {}"
    cure = command(put_targets, rule, bus, json.dumps([wanted]))
    target = next((target for target in targets if target["Arn"] == queue), None)
    if target is None:
        return trouble("the rule does not deliver to ProvisioningQueue.", NOT_QUEUED, cure)
    if target.get("DeadLetterConfig", {}).get("Arn") != dead_letters:
        why = "EventBridge drops an event that it cannot deliver within a day."
        return trouble("the rule's target has no dead-letter queue.", why, cure)
    return ok("the rule delivers to ProvisioningQueue, and undeliverable events to EventDeliveryDlq.")
