"""The queues: may EventBridge write to them, do dead letters outlive their source, does anything lie there."""

from __future__ import annotations

import json
from collections.abc import Iterator

from onramp.ops.common.deployment import Deployment
from onramp.ops.common.policies import Grant, granted
from onramp.ops.common.when import lasting
from onramp.ops.doctor.bus import RULE, UNQUEUED
from onramp.ops.doctor.findings import Finding, ok, trouble, warning

EVENTS = "events.amazonaws.com"
FROM_EVENTBRIDGE = ("ProvisioningQueueUrl", "EventDeliveryDlqUrl")
KEY_ACTIONS = ("kms:Decrypt", "kms:GenerateDataKey")


def accept_events(stack: Deployment) -> Iterator[Finding]:
    """EventBridge does not say when it is refused: the event goes to the rule's DLQ, or is dropped if that refuses."""
    alias, bus = stack.trigger, stack.outputs["EventBusName"]
    rule = f"arn:{alias.partition}:events:{alias.region}:{alias.account}:rule/{bus}/{stack.resource(RULE)}"
    for output in FROM_EVENTBRIDGE:
        policy, url = json.loads(stack.queue(output).get("Policy") or "{}"), stack.outputs[output]
        match granted(policy, service=EVENTS, action="sqs:SendMessage", source=rule, account=alias.account):
            case Grant.NARROW:
                yield ok(f"EventBridge may send to {name_of(output)}.")
            case Grant.OPEN:
                yield warning(
                    f"EventBridge may send to {name_of(output)} on anybody's behalf.",
                    "a rule of another account could fill it.",
                    _allow(url, stack.queue(output)["QueueArn"], rule, alias.account),
                )
            case Grant.NONE:
                yield trouble(
                    f"EventBridge may not send to {name_of(output)}.",
                    UNQUEUED,
                    _allow(url, stack.queue(output)["QueueArn"], rule, alias.account),
                )


def _allow(url: str, queue: str, rule: str, account: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": EVENTS},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {"ArnEquals": {"aws:SourceArn": rule}, "StringEquals": {"aws:SourceAccount": account}},
    }
    return _set(url, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def _set(url: str, **attributes: str) -> str:
    return f"aws sqs set-queue-attributes --queue-url {url} --attributes '{json.dumps(attributes)}'"


def keys(stack: Deployment) -> Iterator[Finding]:
    """A queue under the AWS-managed key accepts everybody but EventBridge, which may not use that key."""
    for output in FROM_EVENTBRIDGE:
        key, url = stack.queue(output).get("KmsMasterKeyId", ""), stack.outputs[output]
        plain = _set(url, KmsMasterKeyId="", SqsManagedSseEnabled="true")
        if not key:
            yield ok(f"{name_of(output)} is encrypted without a key that EventBridge would need.")
        elif "alias/aws/" in key or _managed_by_aws(stack, key):
            yield trouble(f"{name_of(output)} is under the AWS-managed key {key}.", UNQUEUED, plain)
        else:
            yield from _key_policy(stack, output, key)


def _managed_by_aws(stack: Deployment, key: str) -> bool:
    return bool(stack.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyManager"] == "AWS")


def _key_policy(stack: Deployment, output: str, key: str) -> Iterator[Finding]:
    policy = json.loads(stack.client("kms").get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    source = stack.queue(output)["QueueArn"]
    grants = {
        action: granted(policy, service=EVENTS, action=action, source=source, account=stack.trigger.account)
        for action in KEY_ACTIONS
    }
    if Grant.NONE in grants.values():
        cure = f"let {EVENTS} {' and '.join(KEY_ACTIONS)} in the key's policy: aws kms put-key-policy --key-id {key}"
        yield trouble(f"EventBridge may not use the key of {name_of(output)}.", UNQUEUED, cure)
    else:
        yield ok(f"EventBridge may use the key of {name_of(output)}.")


def outlive(stack: Deployment) -> Iterator[Finding]:
    """A dead letter keeps the time at which it was first queued: its clock is already running."""
    source, letters = stack.queue("ProvisioningQueueUrl"), stack.queue("ProvisioningDlqUrl")
    redrive = json.loads(source.get("RedrivePolicy") or "{}")
    if redrive.get("deadLetterTargetArn") != letters["QueueArn"]:
        why = "a message that crashes the worker comes back until it expires, and nobody is told."
        policy = {"deadLetterTargetArn": letters["QueueArn"], "maxReceiveCount": stack.parameters["MaxReceiveCount"]}
        cure = _set(stack.outputs["ProvisioningQueueUrl"], RedrivePolicy=json.dumps(policy))
        yield trouble("ProvisioningQueue does not dead-letter to ProvisioningDlq.", why, cure)
    kept = {name: int(queue["MessageRetentionPeriod"]) for name, queue in (("source", source), ("letters", letters))}
    said = {name: lasting(seconds * 1000) for name, seconds in kept.items()}
    if kept["letters"] > kept["source"]:
        yield ok(f"dead letters are kept for {said['letters']}, messages for {said['source']}.")
        return
    url = stack.outputs["ProvisioningDlqUrl"]
    yield trouble(
        f"dead letters are kept for {said['letters']}, no longer than messages wait ({said['source']}).",
        "a letter may expire on the day it arrives, unread.",
        _set(url, MessageRetentionPeriod="1209600"),
    )


def letters(stack: Deployment) -> Iterator[Finding]:
    for output in ("ProvisioningDlqUrl", "EventDeliveryDlqUrl"):
        waiting = depth(stack.queue(output))
        if not waiting:
            yield ok(f"{name_of(output)} is empty.")
            continue
        why = "each is a signup that was given up." if output == "ProvisioningDlqUrl" else "EventBridge was refused."
        yield trouble(f"{waiting:,} in {name_of(output)}.", why, "onramp dlq list")


def depth(attributes: dict[str, str]) -> int:
    """What lies in a queue, whoever has it in hand."""
    kinds = ("", "NotVisible", "Delayed")
    return sum(int(attributes.get(f"ApproximateNumberOfMessages{kind}", 0)) for kind in kinds)


def name_of(output: str) -> str:
    return output.removesuffix("Url")
