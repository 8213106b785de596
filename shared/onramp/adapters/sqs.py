"""The provisioning queue and its dead-letter queue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from onramp.adapters.aws import retryable
from onramp.domain.envelope import rfc3339
from onramp.enrich import DeadLetter

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

MAX_VISIBILITY_SECONDS = 12 * 3600


@dataclass(frozen=True, slots=True)
class ProvisioningQueue:
    client: SQSClient
    url: str
    dead_letter_url: str

    def delay(self, receipt_handle: str, seconds: float) -> None:
        """The message comes back after `seconds`: SQS itself would only wait its fixed visibility timeout."""
        timeout = round(min(max(seconds, 0), MAX_VISIBILITY_SECONDS))
        with retryable("change_visibility"):
            self.client.change_message_visibility(
                QueueUrl=self.url, ReceiptHandle=receipt_handle, VisibilityTimeout=timeout
            )

    def dead_letter(self, letter: DeadLetter) -> None:
        attributes = {
            "step": letter.step,
            "reason": letter.reason,
            "errorCode": letter.error_code,
            "attempts": str(letter.attempts),
            "firstFailedAt": rfc3339(letter.first_failed_at),
            "codeVersion": letter.code_version,
        }
        with retryable("dead_letter"):
            self.client.send_message(
                QueueUrl=self.dead_letter_url,
                MessageBody=letter.body,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
                },
            )
