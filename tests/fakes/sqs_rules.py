"""The requests that SQS refuses, with its error codes. The limits are those of its API reference: a message of 1 MiB
with its attributes, ten attributes, ten entries a batch, XML characters only, no empty attribute value."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

from tests.fakes.client import Request

MAX_BYTES = 1024 * 1024
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


class SqsRefused(Exception):
    def __init__(self, code: str, message: str, older: bool = False) -> None:
        super().__init__(message)
        self.code, self.message, self.older = code, message, older


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def check_message(request: Request) -> None:
    body, attributes = request["MessageBody"], request.get("MessageAttributes", {})
    if not body:
        raise SqsRefused("MissingParameter", "The request must contain the parameter MessageBody.")
    if FORBIDDEN.search(body):
        raise SqsRefused("InvalidMessageContents", "Invalid characters found in the message body.")
    if len(attributes) > 10:
        raise SqsRefused("InvalidParameterValue", "Number of message attributes exceeds the allowed maximum [10].")
    for name, value in attributes.items():
        _check_attribute(name, value)
    if message_size(request) > MAX_BYTES:
        raise SqsRefused("InvalidParameterValue", f"Reason: Message must be shorter than {MAX_BYTES} bytes.")


def _check_attribute(name: str, value: dict[str, Any]) -> None:
    content, kind = value.get("BinaryValue") or value.get("StringValue"), value["DataType"]
    what = f"Message (user) attribute '{name}'"
    if kind.split(".")[0] not in ("String", "Number", "Binary"):
        raise SqsRefused("InvalidParameterValue", f"{what} has an invalid type '{kind}'.")
    if not content:
        raise SqsRefused("InvalidParameterValue", f"{what} must contain a non-empty value of type '{kind}'.")
    if isinstance(content, str) and FORBIDDEN.search(content):
        raise SqsRefused("InvalidParameterValue", f"{what} has invalid characters.")


def message_size(request: Request) -> int:
    attributes = request.get("MessageAttributes", {})
    values = (value.get("BinaryValue") or value.get("StringValue", "").encode() for value in attributes.values())
    names = sum(len(name.encode()) + len(value["DataType"]) for name, value in attributes.items())
    return len(request["MessageBody"].encode()) + names + sum(map(len, values))


def check_batch(entries: Sequence[Request]) -> None:
    """Errors of the whole batch; an invalid entry fails alone."""
    ids = [entry["Id"] for entry in entries]
    if not entries:
        raise SqsRefused("EmptyBatchRequest", "There should be at least one entry in the request.", older=True)
    if len(entries) > 10:
        message = f"Maximum number of entries per request are 10. You have sent {len(entries)}."
        raise SqsRefused("TooManyEntriesInBatchRequest", message, older=True)
    if any(not ENTRY_ID.fullmatch(entry_id) for entry_id in ids):
        message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores."
        raise SqsRefused("InvalidBatchEntryId", message, older=True)
    if len(set(ids)) < len(ids):
        raise SqsRefused("BatchEntryIdsNotDistinct", "Two or more batch entries have the same Id.", older=True)
    if sum(message_size(entry) for entry in entries if "MessageBody" in entry) > MAX_BYTES:
        message = f"Batch requests cannot be longer than {MAX_BYTES} bytes."
        raise SqsRefused("BatchRequestTooLong", message, older=True)


def check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        message = (
            f"Value {value} for parameter {name} is invalid. Reason: Must be between {low} and {high}, if provided."
        )
        raise SqsRefused("InvalidParameterValue", message)
