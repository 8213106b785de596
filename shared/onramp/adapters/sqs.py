"""The provisioning queue and its dead-letter queue."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from onramp.adapters.aws import retryable
from onramp.adapters.event_batches import send_batch
from onramp.domain.errors import RetryableError
from onramp.domain.event_data import Event, delivery, rfc3339
from onramp.usecases.messages import DeadLetter, Message

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

# SQS refuses more than 12 hours since the receive, and an invocation takes up to 15 minutes of them.
MAX_VISIBILITY_SECONDS = 12 * 3600 - 15 * 60


def message_in(record: Mapping[str, Any]) -> Message:
    """A record of a Lambda SQS event."""
    attributes = record["attributes"]
    return Message(
        body=record["body"],
        receipt_handle=record["receiptHandle"],
        receive_count=int(attributes["ApproximateReceiveCount"]),
        first_received_at=int(attributes["ApproximateFirstReceiveTimestamp"]),
    )


@dataclass(frozen=True, slots=True)
class ProvisioningQueue:
    client: SQSClient
    url: str
    dead_letter_url: str

    def delay(self, receipt_handle: str, seconds: float) -> None:
        """The message comes back after `seconds` instead of after the queue's fixed visibility timeout."""
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
            reply = self.client.send_message(
                QueueUrl=self.dead_letter_url,
                MessageBody=letter.body,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
                },
            )
        if not reply.get("MessageId"):
            # The message may be acknowledged only after SQS has confirmed its dead letter.
            raise RetryableError("dead_letter_Unreadable")

    def backlog(self) -> int:
        """The approximate number of visible messages."""
        with retryable("queue_attributes"):
            reply = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["ApproximateNumberOfMessages"])
        if "ApproximateNumberOfMessages" not in reply.get("Attributes", {}):
            raise RetryableError("queue_attributes_Unreadable")
        return int(reply["Attributes"]["ApproximateNumberOfMessages"])

    def send(self, *events: Event) -> None:
        """At most 10 events. Raises RetryableError; EventsRefused carries those that were not sent."""
        send_batch("queue_send", self._send, events)

    def _send(self, events: Sequence[Event]) -> Mapping[int, str]:
        """The code of each event that was not sent, by position. Each has the envelope in which the bus delivers it."""
        entries: Any = [
            {"Id": str(place), "MessageBody": json.dumps(delivery(event), separators=(",", ":"))}
            for place, event in enumerate(events)
        ]
        with retryable("queue_send"):
            reply = self.client.send_message_batch(QueueUrl=self.url, Entries=entries)
        sent = {entry["Id"] for entry in reply.get("Successful", [])}
        codes = {entry["Id"]: entry["Code"] for entry in reply.get("Failed", [])}
        places = [str(place) for place in range(len(events))]
        return {int(place): codes.get(place, "Unreadable") for place in places if place not in sent}
