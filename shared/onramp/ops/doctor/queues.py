"""The queues: do they exist, may EventBridge send to them, how long are dead letters kept, are there dead letters."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code
from onramp.domain.policies import Grant, effective_grant, is_open, statements_of
from onramp.ops.common.deployment import Deployment
from onramp.ops.common.shell import command
from onramp.ops.common.when import format_duration
from onramp.ops.doctor import keys
from onramp.ops.doctor.findings import Cause, Finding, ok, trouble, warning
from onramp.ops.doctor.keys import EVENTS
from onramp.ops.doctor.rules import RULES, BusRule

if TYPE_CHECKING:
    from mypy_boto3_sqs.literals import QueueAttributeNameType

TLS_ONLY = "TlsOnly"
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
# As template.yaml has them: a cure leaves the stack as it was deployed (tests/ops/test_doctor.py).
MAX_RECEIVES = {"ProvisioningQueue": "MaxReceiveCount", "SignupHealQueue": "240"}
"""Of each queue with a redrive policy: the parameter with its maxReceiveCount, or the number."""
DLQS = {"ProvisioningQueue": "ProvisioningDlq", "SignupHealQueue": "SignupHealDlq"}
MESSAGES_KEPT, LETTERS_KEPT = "345600", "1209600"  # seconds: 4 and 14 d


def existence(stack: Deployment) -> Iterator[Finding]:
    """The checks after it leave out a queue that was deleted."""
    for rule in RULES:
        for queue in dict.fromkeys((DLQS[rule.queue], rule.dead_letters, rule.queue)):
            if not _exists(stack, queue):
                why = rule.lost if queue == rule.queue else "a message that fails for good is lost, without an alarm."
                cure = f"{_create_command(stack, queue)}  (and run the doctor again, for its policies)"
                yield trouble(f"there is no queue {queue}.", why, cure)


def _exists(stack: Deployment, queue: str) -> bool:
    try:
        stack.queue(f"{queue}Url")
    except ClientError as error:
        if not error_code(error).endswith(("NonExistentQueue", "QueueDoesNotExist")):
            raise
        return False
    return True


def _create_command(stack: Deployment, queue: str) -> str:
    name = stack.outputs[f"{queue}Url"].rpartition("/")[2]
    sources = [source for source, dlq in DLQS.items() if dlq == queue]
    attributes = {attribute: value for attribute, value in _encryption(stack).items() if value}
    attributes["MessageRetentionPeriod"] = MESSAGES_KEPT if queue in DLQS else LETTERS_KEPT
    if queue in DLQS:
        attributes["VisibilityTimeout"] = stack.parameters["VisibilityTimeoutSeconds"]
    if sources:
        arns = [_arn(stack, source) for source in sources]
        attributes["RedriveAllowPolicy"] = json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": arns})
    if statements := _over_tls(stack, queue):
        attributes["Policy"] = json.dumps({"Version": "2012-10-17", "Statement": statements})
    return command("aws sqs create-queue --queue-name {} --attributes {}", name, json.dumps(attributes))


def _arn(stack: Deployment, queue: str) -> str:
    """Also of a queue that does not exist."""
    alias, name = stack.trigger, stack.outputs[f"{queue}Url"].rpartition("/")[2]
    return f"arn:{alias.partition}:sqs:{alias.region}:{alias.account}:{name}"


def policies(stack: Deployment) -> Iterator[Finding]:
    """EventBridge reports no refusal: the event goes to the rule's DLQ, and is dropped where that refuses it, too."""
    for rule in RULES:
        for queue in _existing(stack, rule):
            yield _policy(stack, rule, queue)


def _existing(stack: Deployment, rule: BusRule) -> list[str]:
    """The queues to which EventBridge sends for the rule."""
    return [queue for queue in (rule.queue, rule.dead_letters) if _exists(stack, queue)]


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
        "Resource": _arn(stack, queue),
        "Condition": {
            "ArnEquals": {"aws:SourceArn": source},
            "StringEquals": {"aws:SourceAccount": stack.trigger.account},
        },
    }
    kept = [statement for statement in statements_of(policy) if not _is_replaced(statement, str(grant["Sid"]))]
    statements = [grant, *kept, *_over_tls(stack, queue)]
    policy = {"Version": "2012-10-17", "Statement": statements}
    return _set_command(stack.outputs[f"{queue}Url"], Policy=json.dumps(policy))


def _over_tls(stack: Deployment, queue: str) -> list[dict[str, Any]]:
    """The statement that denies plain http; none for the local stack, which answers nothing else."""
    if not stack.outputs[f"{queue}Url"].startswith("https://"):
        return []
    return [
        {
            "Sid": TLS_ONLY,
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sqs:*",
            "Resource": _arn(stack, queue),
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]


def _is_replaced(statement: Mapping[str, Any], sid: str) -> bool:
    """The statements that the cure writes anew, open grants, and a Deny without a condition."""
    denies_all = statement.get("Effect") == "Deny" and not statement.get("Condition")
    return statement.get("Sid") in (sid, TLS_ONLY) or is_open(statement, EVENTS) or denies_all


def _set_command(url: str, **attributes: str) -> str:
    return command("aws sqs set-queue-attributes --queue-url {} --attributes {}", url, json.dumps(attributes))


def encryption(stack: Deployment) -> Iterator[Finding]:
    """EventBridge may not use the AWS-managed key of SQS: it cannot send to a queue that is encrypted with this key."""
    for rule in RULES:
        for queue in _existing(stack, rule):
            key = stack.queue(f"{queue}Url").get("KmsMasterKeyId", "")
            if not key:
                yield ok(f"{queue} is encrypted without a key that EventBridge would need.")
            elif "alias/aws/" in key or _managed_by_aws(stack, key):
                cure = _set_command(stack.outputs[f"{queue}Url"], **_encryption(stack))
                yield trouble(f"{queue} is encrypted with the AWS-managed key {key}.", rule.lost, cure)
            else:
                yield _key_policy(stack, rule, queue, key)


def _encryption(stack: Deployment) -> dict[str, str]:
    """The attributes that encrypt a queue as the stack's parameter says."""
    own = stack.parameters.get("DataKeyArn", "")
    return {"KmsMasterKeyId": own} if own else {"KmsMasterKeyId": "", "SqsManagedSseEnabled": "true"}


def _managed_by_aws(stack: Deployment, key: str) -> bool:
    return stack.client("kms").describe_key(KeyId=key)["KeyMetadata"].get("KeyManager") == "AWS"


def _key_policy(stack: Deployment, rule: BusRule, queue: str, key: str) -> Finding:
    if missing := keys.missing_for_queue(stack, key, _rule_arn(stack, rule)):
        return trouble(f"EventBridge may not use the key of {queue}.", rule.lost, keys.cure(key, missing))
    return ok(f"EventBridge may use the key of {queue}.")


def retention(stack: Deployment) -> Iterator[Finding]:
    """A dead letter keeps its first enqueue time: what is left of the retention is shorter than the DLQ's setting."""
    for queue, letters in DLQS.items():
        if not (_exists(stack, queue) and _exists(stack, letters)):
            continue
        source, dlq = stack.queue(f"{queue}Url"), stack.queue(f"{letters}Url")
        redrive = json.loads(source.get("RedrivePolicy") or "{}")
        if redrive.get("deadLetterTargetArn") != dlq["QueueArn"]:
            receives = stack.parameters.get(MAX_RECEIVES[queue], MAX_RECEIVES[queue])
            policy = {"deadLetterTargetArn": dlq["QueueArn"], "maxReceiveCount": receives}
            yield trouble(
                f"{queue} has no redrive policy to {letters}.",
                "a message that crashes its function is delivered again until it expires, without an alarm.",
                _set_command(stack.outputs[f"{queue}Url"], RedrivePolicy=json.dumps(policy)),
            )
        messages, dead_letters = (int(attributes["MessageRetentionPeriod"]) for attributes in (source, dlq))
        kept = f"dead letters of {queue} are kept for {format_duration(dead_letters * 1000)}"
        if dead_letters > messages:
            yield ok(f"{kept}, messages for {format_duration(messages * 1000)}.")
            continue
        yield trouble(
            f"{kept}, not longer than messages ({format_duration(messages * 1000)}).",
            "a dead letter can expire on the day it arrives.",
            _set_command(stack.outputs[f"{letters}Url"], MessageRetentionPeriod=LETTERS_KEPT),
        )


def dead_letters(stack: Deployment) -> Iterator[Finding]:
    for output, why in DEAD_LETTERS.items():
        cause = Cause.DELIVERY if output == "EventDeliveryDlqUrl" else Cause.DEAD_LETTERS
        yield _dead_letters(stack, output, why, "onramp dlq list", cause)


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
