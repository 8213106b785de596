"""May EventBridge send to the queues: their policies, and the keys that encrypt them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from onramp.domain.policies import Grant, effective_grant, is_open, statements_of
from onramp.ops.common.deployment import Deployment
from onramp.ops.doctor import keys
from onramp.ops.doctor.findings import Finding, ok, trouble, warning
from onramp.ops.doctor.keys import EVENTS
from onramp.ops.doctor.queue_settings import TLS_ONLY, arn_of, encryption_settings, exists, over_tls, set_command
from onramp.ops.doctor.rules import RULES, BusRule


def policies(stack: Deployment) -> Iterator[Finding]:
    """EventBridge reports no refusal: the event goes to the rule's DLQ, and is dropped where that refuses it, too."""
    for rule in RULES:
        for queue in _existing(stack, rule):
            yield _policy(stack, rule, queue)


def _existing(stack: Deployment, rule: BusRule) -> list[str]:
    """The queues to which EventBridge sends for the rule."""
    return [queue for queue in (rule.queue, rule.dead_letters) if exists(stack, queue)]


def _policy(stack: Deployment, rule: BusRule, queue: str) -> Finding:
    policy, source = json.loads(stack.queue(f"{queue}Url").get("Policy") or "{}"), _rule_arn(stack, rule)
    cure = _policy_command(stack, rule, queue, policy)
    match effective_grant(
        policy, service=EVENTS, action="sqs:SendMessage", source=source, account=stack.trigger.account
    ):
        case Grant.NARROW:
            return ok(f"EventBridge may send to {queue}.")
        case Grant.OPEN:
            what = f"EventBridge may send to {queue} for every rule of every account."
            return warning(what, "a rule of another account could fill it.", cure)
        case Grant.NONE:
            return trouble(f"EventBridge may not send to {queue}.", rule.lost, cure)


def _rule_arn(stack: Deployment, rule: BusRule) -> str:
    """The ARN for which EventBridge acts when it sends to a queue of the rule."""
    alias, bus = stack.trigger, stack.outputs["EventBusName"]
    return (
        f"arn:{alias.partition}:events:{alias.region}:{alias.account}:rule/{bus}/{stack.physical_id(rule.logical_id)}"
    )


def _policy_command(stack: Deployment, rule: BusRule, queue: str, policy: Mapping[str, Any]) -> str:
    """SetQueueAttributes replaces the whole policy: the statements that are not about EventBridge stay."""
    source = _rule_arn(stack, rule)
    grant = {
        "Sid": "SignupsFromTheBus" if queue == rule.queue else "UndeliveredEvents",
        "Effect": "Allow",
        "Principal": {"Service": EVENTS},
        "Action": "sqs:SendMessage",
        "Resource": arn_of(stack, queue),
        "Condition": {
            "ArnEquals": {"aws:SourceArn": source},
            "StringEquals": {"aws:SourceAccount": stack.trigger.account},
        },
    }
    kept = [statement for statement in statements_of(policy) if not _is_replaced(statement, str(grant["Sid"]))]
    statements = [grant, *kept, *over_tls(stack, queue)]
    policy = {"Version": "2012-10-17", "Statement": statements}
    return set_command(stack.outputs[f"{queue}Url"], Policy=json.dumps(policy))


def _is_replaced(statement: Mapping[str, Any], sid: str) -> bool:
    """The statements that the cure writes anew, open grants, and a Deny without a condition."""
    denies_all = statement.get("Effect") == "Deny" and not statement.get("Condition")
    return statement.get("Sid") in (sid, TLS_ONLY) or is_open(statement, EVENTS) or denies_all


def encryption(stack: Deployment) -> Iterator[Finding]:
    """EventBridge may not use the AWS-managed key of SQS: it cannot send to a queue that is encrypted with this key."""
    for rule in RULES:
        for queue in _existing(stack, rule):
            key = stack.queue(f"{queue}Url").get("KmsMasterKeyId", "")
            if not key:
                yield ok(f"{queue} is encrypted without a key that EventBridge would need.")
            elif "alias/aws/" in key or _managed_by_aws(stack, key):
                cure = set_command(stack.outputs[f"{queue}Url"], **encryption_settings(stack))
                yield trouble(f"{queue} is encrypted with the AWS-managed key {key}.", rule.lost, cure)
            else:
                yield _key_policy(stack, rule, queue, key)


def _managed_by_aws(stack: Deployment, key: str) -> bool:
    return stack.client("kms").describe_key(KeyId=key)["KeyMetadata"].get("KeyManager") == "AWS"


def _key_policy(stack: Deployment, rule: BusRule, queue: str, key: str) -> Finding:
    if missing := keys.missing_for_queue(stack, key, _rule_arn(stack, rule)):
        what = f"EventBridge may not use the key of {queue}: {', '.join(missing)}."
        return trouble(what, rule.lost, keys.cure(stack, key))
    return ok(f"EventBridge may use the key of {queue}.")
