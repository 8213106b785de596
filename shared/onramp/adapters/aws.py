"""The one place where botocore's errors become ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from onramp.domain.errors import RetryableError

Reply = TypeVar("Reply", bound=Mapping[str, Any])


def error_code(error: ClientError) -> str:
    """AWS's own word for it, as `ThrottlingException`. Never the message: it may quote what was sent."""
    return str(error.response.get("Error", {}).get("Code") or "Unknown")


def condition_holds(write: Callable[..., object], **request: Any) -> bool:
    """Whether the condition of a write held. A refusal is a normal outcome: somebody was here first."""
    try:
        write(**request)
    except ClientError as error:
        if error_code(error) != "ConditionalCheckFailedException":
            raise
        return False
    return True


@contextmanager
def retryable(operation: str) -> Iterator[None]:
    """Turns whatever AWS or the network answers into RetryableError `operation_code`.

    Denied permissions and validation errors too: they are the deployment's fault, so the message must wait for
    the deployment to be mended and not be buried as if it were bad itself.
    """
    try:
        yield
    except ClientError as error:
        raise RetryableError(f"{operation}_{error_code(error)}") from error
    except BotoCoreError as error:
        raise RetryableError(f"{operation}_{type(error).__name__}") from error


def readable(operation: str, reply: Reply) -> Reply:
    """The reply, unless botocore gave up on reading it.

    A DynamoDB answer whose checksum is wrong in every attempt comes back as an empty success, and an empty answer means
    "there was no such item" to whoever asked. An honest one is `{}`, two bytes. `MaxAttemptsReached` alone says little:
    botocore sets it on whatever the last attempt brought, a success too.
    """
    metadata = reply.get("ResponseMetadata", {})
    if metadata.get("MaxAttemptsReached") and len(reply) == 1 and _length(metadata) != len("{}"):
        raise RetryableError(f"{operation}_unreadable")
    return reply


def _length(metadata: Mapping[str, Any]) -> int:
    return int(metadata.get("HTTPHeaders", {}).get("content-length", 0))
