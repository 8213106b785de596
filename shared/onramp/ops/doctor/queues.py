"""The queues: may EventBridge send to them, are dead letters kept longer than messages, are there dead letters."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from onramp.domain.policies import Grant, effective_grant, is_open, statements_of
from onramp.ops.common.deployment import SIGNED_UP_RULE, Deployment
from onramp.ops.common.next_steps import next_step
from onramp.ops.common.shell import command
from onramp.ops.common.when import format_duration
from onramp.ops.doctor import keys
from onramp.ops.doctor.findings import Cause, Finding, ok, trouble, warning
from onramp.ops.doctor.keys import EVENTS
from onramp.ops.doctor.rules import NOT_QUEUED

if TYPE_CHECKING:
    from mypy_boto3_sqs.literals import QueueAttributeNameType

GRANT_SIDS = {"ProvisioningQueueUrl": "SignupsFromTheBus", "EventDeliveryDlqUrl": "UndeliveredEvents"}
TLS_ONLY = "TlsOnly"
FROM_EVENTBRIDGE = ("ProvisioningQueueUrl", "EventDeliveryDlqUrl")
MESSAGE_COUNTS: tuple[QueueAttributeNameType, ...] = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
DEAD_LETTERS = {
    "ProvisioningDlqUrl": "the worker gave up on each of these signups.",
    "EventDeliveryDlqUrl": "EventBridge could not deliver these events.",
}


def policies(stack: Deployment) -> Iterator[Finding]:
    """EventBridge reports no refusal: the event goes to the rule's DLQ, and is dropped where that refuses it, too."""
    alias, rule = stack.trigger, _rule(stack)
    for output in FROM_EVENTBRIDGE:
        policy, queue = json.loads(stack.queue(output).get("Policy") or "{}"), _name(output)
        cure = _policy_command(stack, output, policy, rule)
        match effective_grant(policy, service=EVENTS, action="sqs:SendMessage", source=rule, account=alias.account):
            case Grant.NARROW:
                yield ok(f"EventBridge may send to {queue}.")
            case Grant.OPEN:
                what = f"EventBridge may send to {queue} for every rule of every account."
                yield warning(what, "a rule of another account could fill it.", cure)
            case Grant.NONE:
                yield trouble(f"EventBridge may not send to {queue}.", NOT_QUEUED, cure)


def _rule(stack: Deployment) -> str:
    """The ARN for which EventBridge acts when it sends a signup to a queue."""
    alias, bus = stack.trigger, stack.outputs["EventBusName"]
    return f"arn:{alias.partition}:events:{alias.region}:{alias.account}:rule/{bus}/{stack.physical_id(SIGNED_UP_RULE)}"


def _policy_command(stack: Deployment, output: str, policy: Mapping[str, Any], rule: str) -> str:
    """SetQueueAttributes replaces the whole policy: the statements that are not about EventBridge stay."""
    url, queue = stack.outputs[output], stack.queue(output)["QueueArn"]
    source = {"ArnEquals": {"aws:SourceArn": rule}, "StringEquals": {"aws:SourceAccount": stack.trigger.account}}
    grant = {
        "Sid": GRANT_SIDS[output],
        "Effect": "Allow",
        "Principal": {"Service": EVENTS},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": source,
    }
    tls_only = {
        "Sid": TLS_ONLY,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "sqs:*",
        "Resource": queue,
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    kept = [statement for statement in statements_of(policy) if not _is_replaced(statement, GRANT_SIDS[output])]
    over_tls = [tls_only] if url.startswith("https://") else []  # the local stack answers plain http only
    statements = [grant, *kept, *over_tls]
    return _set_command(url, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))


def _is_replaced(statement: Mapping[str, Any], sid: str) -> bool:
    """The statements that the cure writes anew, open grants, and a Deny without a condition."""
    denies_all = statement.get("Effect") == "Deny" and not statement.get("Condition")
    return statement.get("Sid") in (sid, TLS_ONLY) or is_open(statement, EVENTS) or denies_all


def _set_command(url: str, **attributes: str) -> str:
    return command("aws sqs set-queue-attributes --queue-url {} --attributes {}", url, json.dumps(attributes))


def encryption(stack: Deployment) -> Iterator[Finding]:
    """EventBridge may not use the AWS-managed key of SQS: it cannot send to a queue that is encrypted with this key."""
    for output in FROM_EVENTBRIDGE:
        key, queue = stack.queue(output).get("KmsMasterKeyId", ""), _name(output)
        if not key:
            yield ok(f"{queue} is encrypted without a key that EventBridge would need.")
        elif "alias/aws/" in key or _managed_by_aws(stack, key):
            own = stack.parameters.get("DataKeyArn", "")
            encrypted = {"KmsMasterKeyId": own} if own else {"KmsMasterKeyId": "", "SqsManagedSseEnabled": "true"}
            cure = _set_command(stack.outputs[output], **encrypted)
            yield trouble(f"{queue} is encrypted with the AWS-managed key {key}.", NOT_QUEUED, cure)
        else:
            yield _key_policy(stack, output, key)


def _managed_by_aws(stack: Deployment, key: str) -> bool:
    return stack.client("kms").describe_key(KeyId=key)["KeyMetadata"].get("KeyManager") == "AWS"


def _key_policy(stack: Deployment, output: str, key: str) -> Finding:
    if missing := keys.missing_for_queue(stack, key, _rule(stack)):
        what = f"EventBridge may not use the key of {_name(output)}: {', '.join(missing)}."
        return trouble(what, NOT_QUEUED, keys.cure(stack, key))
    return ok(f"EventBridge may use the key of {_name(output)}.")


def retention(stack: Deployment) -> Iterator[Finding]:
    """A dead letter keeps its first enqueue time: what is left of the retention is shorter than the DLQ's setting."""
    source, dlq = stack.queue("ProvisioningQueueUrl"), stack.queue("ProvisioningDlqUrl")
    redrive = json.loads(source.get("RedrivePolicy") or "{}")
    if redrive.get("deadLetterTargetArn") != dlq["QueueArn"]:
        policy = {"deadLetterTargetArn": dlq["QueueArn"], "maxReceiveCount": stack.parameters["MaxReceiveCount"]}
        yield trouble(
            "ProvisioningQueue has no redrive policy to ProvisioningDlq.",
            "a message that crashes the worker is delivered again until it expires, without an alarm.",
            _set_command(stack.outputs["ProvisioningQueueUrl"], RedrivePolicy=json.dumps(policy)),
        )
    messages, dead_letters = (int(queue["MessageRetentionPeriod"]) for queue in (source, dlq))
    kept = f"dead letters are kept for {format_duration(dead_letters * 1000)}"
    if dead_letters > messages:
        yield ok(f"{kept}, messages for {format_duration(messages * 1000)}.")
        return
    yield trouble(
        f"{kept}, not longer than messages ({format_duration(messages * 1000)}).",
        "a dead letter can expire on the day it arrives.",
        _set_command(stack.outputs["ProvisioningDlqUrl"], MessageRetentionPeriod="1209600"),
    )


def dead_letters(stack: Deployment) -> Iterator[Finding]:
    for output, why in DEAD_LETTERS.items():
        if count := dead_letter_count(stack, output):
            what = f"{count:,} dead letter{'s' * (count != 1)} in {_name(output)}."
            cause = Cause.DELIVERY if output == "EventDeliveryDlqUrl" else Cause.DEAD_LETTERS
            yield trouble(what, why, next_step("owed_with_letter"), cause)
        else:
            yield ok(f"{_name(output)} is empty.")


def dead_letter_count(stack: Deployment, output: str) -> int:
    """Approximate, as SQS counts."""
    return sum(int(stack.queue(output).get(name, 0)) for name in MESSAGE_COUNTS)


def _name(output: str) -> str:
    return output.removesuffix("Url")
