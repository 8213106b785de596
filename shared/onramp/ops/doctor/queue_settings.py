"""The settings of a queue as template.yaml has them, and the commands that give them to a queue.

A cure leaves the stack as it was deployed (tests/ops/test_doctor.py). A queue is named by its logical id.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code
from onramp.ops.common.deployment import Deployment
from onramp.ops.common.shell import command

TLS_ONLY = "TlsOnly"
DLQS = {"ProvisioningQueue": "ProvisioningDlq", "SignupHealQueue": "SignupHealDlq"}
MESSAGES_KEPT, LETTERS_KEPT = "345600", "1209600"  # seconds: 4 and 14 d


def exists(stack: Deployment, queue: str) -> bool:
    try:
        stack.queue(f"{queue}Url")
    except ClientError as error:
        if not error_code(error).endswith(("NonExistentQueue", "QueueDoesNotExist")):
            raise
        return False
    return True


def arn_of(stack: Deployment, queue: str) -> str:
    """Also of a queue that does not exist."""
    alias, name = stack.trigger, stack.outputs[f"{queue}Url"].rpartition("/")[2]
    return f"arn:{alias.partition}:sqs:{alias.region}:{alias.account}:{name}"


def create_command(stack: Deployment, queue: str) -> str:
    name = stack.outputs[f"{queue}Url"].rpartition("/")[2]
    sources = [source for source, dlq in DLQS.items() if dlq == queue]
    attributes = {attribute: value for attribute, value in encryption_settings(stack).items() if value}
    attributes["MessageRetentionPeriod"] = MESSAGES_KEPT if queue in DLQS else LETTERS_KEPT
    if queue in DLQS:
        attributes["VisibilityTimeout"] = stack.parameters["VisibilityTimeoutSeconds"]
    if sources:
        arns = [arn_of(stack, source) for source in sources]
        attributes["RedriveAllowPolicy"] = json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": arns})
    if statements := over_tls(stack, queue):
        attributes["Policy"] = json.dumps({"Version": "2012-10-17", "Statement": statements})
    return command("aws sqs create-queue --queue-name {} --attributes {}", name, json.dumps(attributes))


def set_command(url: str, **attributes: str) -> str:
    return command("aws sqs set-queue-attributes --queue-url {} --attributes {}", url, json.dumps(attributes))


def over_tls(stack: Deployment, queue: str) -> list[dict[str, Any]]:
    """The statement that denies plain http; none for the local stack, which answers nothing else."""
    if not stack.outputs[f"{queue}Url"].startswith("https://"):
        return []
    return [
        {
            "Sid": TLS_ONLY,
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sqs:*",
            "Resource": arn_of(stack, queue),
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ]


def encryption_settings(stack: Deployment) -> dict[str, str]:
    """The attributes that encrypt a queue as the stack's parameter says."""
    own = stack.parameters.get("DataKeyArn", "")
    return {"KmsMasterKeyId": own} if own else {"KmsMasterKeyId": "", "SqsManagedSseEnabled": "true"}
