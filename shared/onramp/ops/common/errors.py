"""The errors of the operator commands: one sentence and an exit code, never a traceback.

    UsageError         exit 2: the command was used wrongly, or the environment is not as it should be
    ├── CommandFailed  exit 1: the command ran and found a problem that needs a person
    └── CommandInterrupted  exit 130: Ctrl-C, after a part of the work

Errors of AWS are translated here only: expired credentials, a denied permission with the missing action, a stack or
queue that does not exist.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
)

from onramp.domain.errors import RetryableError

_EXPIRED = (
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
)
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorizedException")
_ACTION = re.compile(r"perform:?\s+([\w-]+:\w+)")


class UsageError(Exception):
    """One sentence with the next step."""

    exit_code = 2


class CommandFailed(UsageError):
    """The command ran to its end and found a problem."""

    exit_code = 1


class CommandInterrupted(UsageError):
    """Ctrl-C: how far the command came, and the command that goes on."""

    exit_code = 130


def as_usage_error(error: ClientError | BotoCoreError) -> UsageError:
    """The sentence for an error of AWS."""
    match error:
        case ClientError():
            return _from_client_error(error)
        case NoCredentialsError():
            return UsageError("there are no AWS credentials: name some with --profile or in the environment.")
        case ProfileNotFound():
            return UsageError(f"{error}: `aws configure list-profiles` lists the profiles.")
        case NoRegionError():
            return UsageError("there is no AWS region: name one with --region or AWS_REGION.")
        case EndpointConnectionError():
            return UsageError(_no_answer(str(error.kwargs.get("endpoint_url", "AWS"))))
    return UsageError(f"the call to AWS failed ({type(error).__name__}): try again.")


def reason(error: Exception) -> str:
    """A few words for a table or a finding: the denied action, or the failed operation and its error code."""
    cause = error.__cause__ if isinstance(error, RetryableError) else error
    match cause:
        case ClientError():
            action = _denied_action(cause)
            return f"{action} is not allowed" if action else f"{cause.operation_name} ({_code(cause)})"
        case BotoCoreError():
            return str(as_usage_error(cause))
    return str(error) or type(error).__name__


def _no_answer(endpoint: str) -> str:
    if urlsplit(endpoint).hostname in ("127.0.0.1", "localhost"):
        return f"{endpoint} does not answer: start the local stack with `onramp local up`, or name one with --stack."
    return f"{endpoint} does not answer: is the region right, does this machine reach AWS?"


def _from_client_error(error: ClientError) -> UsageError:
    code = _code(error)
    if code in _EXPIRED:
        return UsageError(f"the AWS credentials are expired or not valid ({code}): sign in again.")
    if code in _DENIED:
        action = _denied_action(error) or f"what {error.operation_name} needs"
        return UsageError(f"permission denied: these credentials may not {action}.")
    return UsageError(f"AWS refused {error.operation_name} ({code}): {_message(error)}")


def _denied_action(error: ClientError) -> str | None:
    """`lambda:GetPolicy`, from the message of a denial; None where the message names no action."""
    match = _ACTION.search(_message(error))
    return match[1] if match else None


def _code(error: ClientError) -> str:
    return str(error.response["Error"].get("Code"))


def _message(error: ClientError) -> str:
    return str(error.response["Error"].get("Message"))
