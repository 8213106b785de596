"""The queues: do they exist, how long are dead letters kept, are there dead letters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from onramp.ops.common.deployment import Deployment
from onramp.ops.common.next_steps import next_step
from onramp.ops.common.shell import command
from onramp.ops.common.when import format_duration
from onramp.ops.doctor.findings import Cause, Finding, ok, trouble
from onramp.ops.doctor.queue_settings import DLQS, LETTERS_KEPT, create_command, exists, set_command
from onramp.ops.doctor.rules import RULES

if TYPE_CHECKING:
    from mypy_boto3_sqs.literals import QueueAttributeNameType

MESSAGE_COUNTS: tuple[QueueAttributeNameType, ...] = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
DEAD_LETTERS = {
    "ProvisioningDlqUrl": "the worker gave up on each of these signups.",
    "EventDeliveryDlqUrl": "EventBridge could not deliver these events.",
}
UNHEALED = "SignupHealDlqUrl"
MAX_RECEIVES = {"ProvisioningQueue": "MaxReceiveCount", "SignupHealQueue": "240"}
"""Of each queue with a redrive policy: the parameter with its maxReceiveCount, or the number."""


def existence(stack: Deployment) -> Iterator[Finding]:
    """The checks after it leave out a queue that was deleted."""
    for rule in RULES:
        for queue in dict.fromkeys((DLQS[rule.queue], rule.dead_letters, rule.queue)):
            if not exists(stack, queue):
                why = rule.lost if queue == rule.queue else "a message that fails for good is lost, without an alarm."
                cure = f"{create_command(stack, queue)}  (and run the doctor again, for its policies)"
                yield trouble(f"there is no queue {queue}.", why, cure)


def retention(stack: Deployment) -> Iterator[Finding]:
    for queue, letters in DLQS.items():
        if exists(stack, queue) and exists(stack, letters):
            yield from _redrive(stack, queue, letters)
            yield _retention(stack, queue, letters)


def _redrive(stack: Deployment, queue: str, letters: str) -> Iterator[Finding]:
    redrive = json.loads(stack.queue(f"{queue}Url").get("RedrivePolicy") or "{}")
    dlq = stack.queue(f"{letters}Url")["QueueArn"]
    if redrive.get("deadLetterTargetArn") != dlq:
        receives = stack.parameters.get(MAX_RECEIVES[queue], MAX_RECEIVES[queue])
        policy = json.dumps({"deadLetterTargetArn": dlq, "maxReceiveCount": receives})
        why = "a message that crashes its function is delivered again until it expires, without an alarm."
        cure = set_command(stack.outputs[f"{queue}Url"], RedrivePolicy=policy)
        yield trouble(f"{queue} has no redrive policy to {letters}.", why, cure)


def _retention(stack: Deployment, queue: str, letters: str) -> Finding:
    """A dead letter keeps its first enqueue time: what is left of the retention is shorter than the DLQ's setting."""
    periods = [int(stack.queue(f"{name}Url")["MessageRetentionPeriod"]) for name in (queue, letters)]
    messages, dead_letters = (format_duration(period * 1000) for period in periods)
    kept = f"dead letters of {queue} are kept for {dead_letters}"
    if periods[1] > periods[0]:
        return ok(f"{kept}, messages for {messages}.")
    why = "a dead letter can expire on the day it arrives."
    cure = set_command(stack.outputs[f"{letters}Url"], MessageRetentionPeriod=LETTERS_KEPT)
    return trouble(f"{kept}, not longer than messages ({messages}).", why, cure)


def dead_letters(stack: Deployment) -> Iterator[Finding]:
    for output, why in DEAD_LETTERS.items():
        cause = Cause.DELIVERY if output == "EventDeliveryDlqUrl" else Cause.DEAD_LETTERS
        yield _dead_letters(stack, output, why, next_step("owed_with_letter"), cause)


def unhealed(stack: Deployment) -> Iterator[Finding]:
    """SQS's own redrive is enough: to heal a user who has a record by now writes nothing."""
    source, queue = stack.queue(UNHEALED)["QueueArn"], stack.queue("SignupHealQueueUrl")["QueueArn"]
    move = command("aws sqs start-message-move-task --source-arn {} --destination-arn {}", source, queue)
    cure = f"{move}  (once the cause is fixed, which HealSignup's log names)"
    why = "the healer gave up on these confirmed users: they have no record until the sweep finds them."
    yield _dead_letters(stack, UNHEALED, why, cure, Cause.UNHEALED)


def _dead_letters(stack: Deployment, output: str, why: str, cure: str, cause: Cause) -> Finding:
    name = output.removesuffix("Url")
    if count := dead_letter_count(stack, output):
        return trouble(f"{count:,} dead letter{'s' * (count != 1)} in {name}.", why, cure, cause)
    return ok(f"{name} is empty.")


def dead_letter_count(stack: Deployment, output: str) -> int:
    """Approximate, as SQS counts."""
    return sum(int(stack.queue(output).get(name, 0)) for name in MESSAGE_COUNTS)
