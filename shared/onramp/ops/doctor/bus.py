"""The event bus: does it exist, may it use its key, is there an archive. Its rules are in rules.py."""

from __future__ import annotations

import json
from collections.abc import Iterator

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code
from onramp.domain.event_data import SOURCE
from onramp.ops.common.deployment import Deployment
from onramp.ops.common.shell import command
from onramp.ops.doctor import keys
from onramp.ops.doctor.findings import Cause, Finding, ok, trouble, warning

# As template.yaml has them: a cure leaves the stack as it was deployed (tests/ops/test_doctor.py).
ARCHIVE, DEAD_LETTERS = "EventArchive", "EventBusDlq"
NOT_EMITTED = "signups stay owed: no user is enriched, and consumers receive no event."


def bus(stack: Deployment) -> Iterator[Finding]:
    name = stack.outputs["EventBusName"]
    try:
        arn = stack.client("events").describe_event_bus(Name=name)["Arn"]
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        create = command("aws events create-event-bus --name {}", name) + _encryption_options(stack)
        cure = f"{create}  (and run the doctor again, for its rule)"
        yield trouble(f"there is no event bus {name}.", NOT_EMITTED, cure, Cause.BUS)
        return
    yield ok(f"the event bus {name} exists.")
    archives = stack.client("events").list_archives(EventSourceArn=arn)["Archives"]
    if not any(archive["State"] == "ENABLED" for archive in archives):
        why = "events can be replayed from the table only, and only to all consumers at once."
        yield warning(f"no archive keeps the events of {name}.", why, _archive_command(stack, arn))


def _archive_command(stack: Deployment, bus_arn: str) -> str:
    create = command(
        "aws events create-archive --archive-name {} --event-source-arn {} --event-pattern {} --retention-days {}",
        stack.physical_id(ARCHIVE) or f"{stack.name}-{ARCHIVE}",
        bus_arn,
        json.dumps({"source": [SOURCE], "account": [stack.trigger.account]}),
        stack.parameters.get("ArchiveRetentionDays", "30"),
    )
    return create + _key_option(stack)


def _key_option(stack: Deployment) -> str:
    key = stack.parameters.get("DataKeyArn")
    return command(" --kms-key-identifier {}", key) if key else ""


def _encryption_options(stack: Deployment) -> str:
    """Create and update set what is left out to its default. Without a customer key the bus has no DLQ either."""
    if not (key := _key_option(stack)):
        return ""
    trigger = stack.trigger
    queue = f"arn:{trigger.partition}:sqs:{trigger.region}:{trigger.account}:{stack.name}-{DEAD_LETTERS}"
    return key + command(" --dead-letter-config {}", f"Arn={queue}")


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
        what = f"EventBridge may not use the key of the event bus {name}: {', '.join(missing)}."
        yield trouble(what, "events are lost after PutEvents has accepted them.", keys.cure(stack, key), Cause.BUS)
    else:
        yield ok(f"EventBridge may use the key of the event bus {name} and of its archive.")
    if not description.get("DeadLetterConfig", {}).get("Arn"):
        why = "events that the bus cannot encrypt or decrypt are dropped."
        update = command("aws events update-event-bus --name {}", name) + _encryption_options(stack)
        yield warning(f"the event bus {name} has no dead-letter queue.", why, update)
