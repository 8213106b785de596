"""The functions that receive the messages of a queue: do the messages arrive, and does each have time to finish."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from onramp.ops.common.deployment import LIVE, Deployment
from onramp.ops.common.shell import command
from onramp.ops.doctor.findings import Cause, Finding, ok, trouble, warning
from onramp.ops.doctor.functions import FUNCTIONS
from onramp.ops.doctor.queue_settings import set_command
from onramp.ops.doctor.rules import NOT_HEALED

TIMEOUTS_PER_VISIBILITY = 6  # AWS's advice: the visibility timeout is at least six times the function's timeout
RECEIVING = ("Enabled", "Enabling", "Updating", "Creating")


@dataclass(frozen=True, slots=True)
class Consumer:
    """A function that receives the messages of `queue`. `unread`, `unretried`, `unpaced`: why a fault matters.

    `concurrency`: the parameter with the mapping's MaximumConcurrency, or the number where the template has it.
    `cause`: of unread messages, where an alarm watches their age.
    """

    role: str
    queue: str
    concurrency: str
    unread: str
    unretried: str
    unpaced: str
    cause: Cause | None = None


# As template.yaml has them: a cure leaves the stack as it was deployed (tests/ops/test_doctor.py).
CONSUMERS = (
    Consumer(
        role="worker",
        queue="ProvisioningQueue",
        concurrency="EnrichMaximumConcurrency",
        unread="the worker receives no messages from the queue.",
        unretried="a message that has to be retried is deleted; its user waits until the reconciler queues it again.",
        unpaced="each worker takes its share of the providers' limits: with another number the shares are wrong.",
        cause=Cause.UNREAD,
    ),
    Consumer(
        role="healer",
        queue="SignupHealQueue",
        concurrency="2",
        unread=NOT_HEALED,
        unretried="a message that has to be retried is deleted; its user waits for the sweep.",
        unpaced="the healers share Cognito's quota of ListUsers with the sweep and the operators.",
    ),
)


def visibility_timeouts(stack: Deployment) -> Iterator[Finding]:
    for consumer in CONSUMERS:
        yield _visibility_timeout(stack, consumer)


def _visibility_timeout(stack: Deployment, consumer: Consumer) -> Finding:
    timeout = stack.function(FUNCTIONS[consumer.role])["Timeout"]
    visibility = int(stack.queue(f"{consumer.queue}Url")["VisibilityTimeout"])
    both = f"the visibility timeout of {consumer.queue} is {visibility} s, the {consumer.role}'s timeout {timeout} s"
    if visibility >= TIMEOUTS_PER_VISIBILITY * timeout:
        return ok(f"{both}.")
    if stack.is_local:
        return ok(f"{both}: short, so that a message of a crashed {consumer.role} returns soon on this machine.")
    return warning(
        f"{both}: less than {TIMEOUTS_PER_VISIBILITY} times as long.",
        f"SQS delivers a slow batch again while the {consumer.role} still processes it.",
        _visibility_command(stack, consumer.queue, TIMEOUTS_PER_VISIBILITY * timeout),
    )


def _visibility_command(stack: Deployment, queue: str, needed: int) -> str:
    """A deployment changes nothing where the stack has a sufficient value and the queue was changed by hand."""
    deployed = stack.parameters.get("VisibilityTimeoutSeconds", "0")
    if int(deployed) < needed:
        return stack.deploy_command(VisibilityTimeoutSeconds=str(needed))
    return set_command(stack.outputs[f"{queue}Url"], VisibilityTimeout=deployed)


def event_sources(stack: Deployment) -> Iterator[Finding]:
    """The event source mapping between each queue and its function."""
    client = stack.client("lambda")
    for consumer in CONSUMERS:
        queue = stack.queue(f"{consumer.queue}Url")["QueueArn"]
        name = f"{stack.outputs[FUNCTIONS[consumer.role]]}:{LIVE}"
        mappings = client.list_event_source_mappings(FunctionName=name, EventSourceArn=queue)["EventSourceMappings"]
        limit = stack.parameters.get(consumer.concurrency, consumer.concurrency)
        yield from (_mapping(consumer, mapping, limit) for mapping in mappings)
        if not mappings:
            what = f"the {consumer.role}'s alias `live` has no event source mapping."
            yield trouble(what, consumer.unread, _create_command(name, queue, limit), consumer.cause)


def _create_command(function: str, queue: str, limit: str) -> str:
    create = (
        "aws lambda create-event-source-mapping --function-name {} --event-source-arn {}"
        " --batch-size 10 --function-response-types ReportBatchItemFailures --scaling-config {}"
    )
    return command(create, function, queue, f"MaximumConcurrency={limit}")


def _mapping(consumer: Consumer, mapping: Mapping[str, Any], limit: str) -> Finding:
    role, concurrent = consumer.role, mapping.get("ScalingConfig", {}).get("MaximumConcurrency")
    update = command("aws lambda update-event-source-mapping --uuid {}", mapping["UUID"])
    if mapping["State"] not in RECEIVING:
        what = f"the {role}'s event source mapping is {mapping['State'].lower()}."
        return trouble(what, consumer.unread, f"{update} --enabled", consumer.cause)
    if "ReportBatchItemFailures" not in mapping.get("FunctionResponseTypes", []):
        what = f"the {role}'s event source mapping ignores its batch item failures."
        return trouble(what, consumer.unretried, f"{update} --function-response-types ReportBatchItemFailures")
    if str(concurrent) != limit:
        what = f"the {role}'s maximum concurrency is {concurrent or 'not set'}, and not the stack's {limit}."
        cure = update + command(" --scaling-config {}", f"MaximumConcurrency={limit}")
        return warning(what, consumer.unpaced, cure)
    return ok(f"the {role} receives its messages from {consumer.queue}.")
