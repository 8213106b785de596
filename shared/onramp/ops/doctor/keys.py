"""May EventBridge use a customer managed key? AWS's key policies: "Encrypting event buses" and "Encrypting archives"
of the EventBridge user guide, "Key management" of the SQS developer guide."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from onramp.domain.policies import Grant, effective_grant, statements_of
from onramp.ops.common.deployment import Deployment
from onramp.ops.common.shell import command

EVENTS = "events.amazonaws.com"
QUEUE_ACTIONS = ("kms:Decrypt", "kms:GenerateDataKey")
BUS_ACTIONS = ("kms:Decrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo")
SIDS = (
    "EventBridgeMayDescribeTheKey",
    "EventBridgeMayEncryptEventsOfTheBusAndItsArchive",
    "EventBridgeMaySendToTheQueues",
)
BUS_CONTEXT = "kms:EncryptionContext:aws:events:event-bus:arn"


def missing_for_queue(stack: Deployment, key: str, rule: str) -> list[str]:
    """The actions that the key's policy does not allow EventBridge when it sends for `rule`, an ARN."""
    return _missing(stack, key, QUEUE_ACTIONS, rule, {})


def missing_for_bus(stack: Deployment, key: str, bus: str) -> list[str]:
    """The same when it encrypts the events of `bus`, an ARN, and of its archive."""
    describe = _missing(stack, key, ("kms:DescribeKey",), bus, {})
    return describe + _missing(stack, key, BUS_ACTIONS, bus, {BUS_CONTEXT: bus})


def cure(stack: Deployment, key: str) -> str:
    """PutKeyPolicy replaces the whole policy: the statements that are not the stack's own stay."""
    kept = [statement for statement in statements_of(_policy(stack, key)) if statement.get("Sid") not in SIDS]
    policy = {"Version": "2012-10-17", "Statement": [*kept, *_statements(stack)]}
    return command("aws kms put-key-policy --key-id {} --policy-name default --policy {}", key, json.dumps(policy))


def _statements(stack: Deployment) -> list[dict[str, object]]:
    """As docs/kms-key-policy.json has them, for this stack."""
    trigger, bus = stack.trigger, stack.outputs["EventBusName"]
    arn = f"arn:{trigger.partition}:events:{trigger.region}:{trigger.account}"
    in_the_bus = {"StringEquals": {BUS_CONTEXT: f"{arn}:event-bus/{bus}"}}
    for_the_rules = {
        "ArnLike": {"aws:SourceArn": f"{arn}:rule/{bus}/*"},
        "StringEquals": {"aws:SourceAccount": trigger.account},
    }
    use = ["kms:GenerateDataKey", "kms:Decrypt"]
    granted: tuple[tuple[object, dict[str, object]], ...] = (
        ("kms:DescribeKey", {}),
        ([*use, "kms:ReEncrypt*"], {"Condition": in_the_bus}),
        (use, {"Condition": for_the_rules}),
    )
    return [
        {"Sid": sid, "Effect": "Allow", "Principal": {"Service": EVENTS}, "Action": actions, "Resource": "*", **more}
        for sid, (actions, more) in zip(SIDS, granted, strict=True)
    ]


def _policy(stack: Deployment, key: str) -> dict[str, Any]:
    policy: dict[str, Any] = json.loads(stack.client("kms").get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    return policy


def _missing(
    stack: Deployment, key: str, actions: tuple[str, ...], source: str, context: Mapping[str, str]
) -> list[str]:
    policy, account = _policy(stack, key), stack.trigger.account
    return [
        action
        for action in actions
        if effective_grant(policy, service=EVENTS, action=action, source=source, account=account, context=context)
        is Grant.NONE
    ]
