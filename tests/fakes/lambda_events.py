"""Lambda's side of an SQS event source mapping: the event, and the meaning of a partial batch response."""

from collections.abc import Mapping
from typing import Any

from tests.fakes.client import REGION
from tests.fakes.queues import Message
from tests.fakes.sqs_rules import md5

SENDER = "AIDAFAKESENDER0000000"


def system_attributes(message: Message) -> dict[str, str]:
    attributes = {
        "ApproximateReceiveCount": str(message.receive_count),
        "SentTimestamp": str(round(message.sent * 1000)),
        "SenderId": SENDER,
        "ApproximateFirstReceiveTimestamp": str(round((message.first_received or 0) * 1000)),
    }
    return attributes | ({"DeadLetterQueueSourceArn": message.source} if message.source else {})


def lambda_record(message: Message, handle: str, arn: str) -> dict[str, Any]:
    return {
        "messageId": message.id,
        "receiptHandle": handle,
        "body": message.body,
        "attributes": system_attributes(message),
        "messageAttributes": {name: _attribute(value) for name, value in message.attributes.items()},
        "md5OfBody": md5(message.body),
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": REGION,
    }


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    names = {"StringValue": "stringValue", "BinaryValue": "binaryValue", "DataType": "dataType"}
    converted = {names[name]: content for name, content in value.items() if name in names}
    return converted | {"stringListValues": [], "binaryListValues": []}


def failed_ids(event: Mapping[str, Any], response: Any) -> set[str]:
    """The messages that are received again after their visibility timeout.

    As documented: nothing, an empty object and an empty or null list mean complete success; an item without a
    readable identifier, or with one that is not in the batch, fails the whole batch; so does an exception, and an
    answer of any other shape.
    """
    all_ids = {record["messageId"] for record in event["Records"]}
    if response is None or response == "":
        return set()
    if not isinstance(response, Mapping):
        return all_ids
    failures = response.get("batchItemFailures") or []
    if not isinstance(failures, list):
        return all_ids
    named = {str(item.get("itemIdentifier") or "") if isinstance(item, Mapping) else "" for item in failures}
    return named if named <= all_ids else all_ids
