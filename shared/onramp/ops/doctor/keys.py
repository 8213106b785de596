"""May EventBridge use a customer managed key? AWS's key policies: "Encrypting event buses" and "Encrypting archives"
of the EventBridge user guide, "Key management" of the SQS developer guide."""

from __future__ import annotations

import json
from collections.abc import Mapping

from onramp.domain.policies import Grant, effective_grant
from onramp.ops.common.deployment import Deployment
from onramp.ops.common.shell import command

EVENTS = "events.amazonaws.com"
QUEUE_ACTIONS = ("kms:Decrypt", "kms:GenerateDataKey")
BUS_ACTIONS = ("kms:Decrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo")
BUS_CONTEXT = "kms:EncryptionContext:aws:events:event-bus:arn"


def missing_for_queue(stack: Deployment, key: str, rule: str) -> list[str]:
    """The actions that the key's policy does not allow EventBridge when it sends for `rule`, an ARN."""
    return _missing(stack, key, QUEUE_ACTIONS, rule, {})


def missing_for_bus(stack: Deployment, key: str, bus: str) -> list[str]:
    """The same when it encrypts the events of `bus`, an ARN, and of its archive."""
    describe = _missing(stack, key, ("kms:DescribeKey",), bus, {})
    return describe + _missing(stack, key, BUS_ACTIONS, bus, {BUS_CONTEXT: bus})


def cure(key: str, actions: list[str]) -> str:
    wanted = " and ".join(actions)
    put = command("aws kms put-key-policy --key-id {}", key)
    return f"let {EVENTS} {wanted}, as docs/kms-key-policy.json does: {put}"


def _missing(
    stack: Deployment, key: str, actions: tuple[str, ...], source: str, context: Mapping[str, str]
) -> list[str]:
    policy = json.loads(stack.client("kms").get_key_policy(KeyId=key, PolicyName="default")["Policy"])
    account = stack.trigger.account
    return [
        action
        for action in actions
        if effective_grant(policy, service=EVENTS, action=action, source=source, account=account, context=context)
        is Grant.NONE
    ]
