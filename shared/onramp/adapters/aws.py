"""Translates botocore's errors into Onramp's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from onramp.domain.errors import RetryableError

Reply = TypeVar("Reply", bound=Mapping[str, Any])


def error_code(error: ClientError) -> str:
    """AWS's error code, as `ThrottlingException`. Never use the message: it may quote what was sent."""
    return str(error.response.get("Error", {}).get("Code") or "Unknown")


def condition_holds(write: Callable[..., object], **request: Any) -> bool:
    """Whether the condition of a write held. False is a normal outcome: another process was first."""
    try:
        write(**request)
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        return False
    return True


@contextmanager
def retryable(operation: str) -> Iterator[None]:
    """Turns every error of AWS or the network into RetryableError `operation_code`.

    Denied permissions and validation errors too: the deployment causes them, so the message must wait until the
    deployment is corrected, and not be dead-lettered.
    """
    try:
        yield
    except ClientError as error:
        raise RetryableError(f"{operation}_{error_code(error)}") from error
    except BotoCoreError as error:
        raise RetryableError(f"{operation}_{type(error).__name__}") from error


def readable(operation: str, reply: Reply) -> Reply:
    """The reply, unless botocore gave up on reading it.

    botocore returns a DynamoDB answer whose checksum is wrong in every attempt as an empty success, which the caller
    would read as "no such item". A real empty answer is `{}`, two bytes. `MaxAttemptsReached` alone is no proof:
    botocore sets it after the last attempt even if that succeeded.
    """
    metadata = reply.get("ResponseMetadata", {})
    if metadata.get("MaxAttemptsReached") and len(reply) == 1 and _length(metadata) != len("{}"):
        raise RetryableError(f"{operation}_unreadable")
    return reply


def _length(metadata: Mapping[str, Any]) -> int:
    return int(metadata.get("HTTPHeaders", {}).get("content-length", 0))
