"""What an operator gets instead of a traceback: one sentence and an exit code.

    DeskError          exit 2: the command was used wrongly, or the environment is not as it should be
    └── Trouble        exit 1: the command ran and found something that needs a person

AWS's own errors are translated here, in one place: expired credentials, a denied permission with the action that is
missing, a stack or queue that does not exist.
"""

from __future__ import annotations

import re

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
)

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
    """One sentence that says what to do next."""

    exit_code = 2


class CommandFailed(UsageError):
    """The command ran to its end and found trouble."""

    exit_code = 1


def explained(error: ClientError | BotoCoreError) -> UsageError:
    """The sentence for an error of AWS."""
    match error:
        case ClientError():
            return _of_aws(error)
        case NoCredentialsError():
            return UsageError("there are no AWS credentials: name some with --profile or in the environment.")
        case ProfileNotFound():
            return UsageError(f"{error}: `aws configure list-profiles` shows those there are.")
        case NoRegionError():
            return UsageError("there is no AWS region: name one with --region or AWS_REGION.")
        case EndpointConnectionError():
            return UsageError(
                f"{error.kwargs.get('endpoint_url', 'AWS')} does not answer: is the stack up, is the region right?"
            )
    return UsageError(f"AWS could not be asked ({type(error).__name__}): try again.")


def _of_aws(error: ClientError) -> UsageError:
    code, message = str(error.response["Error"].get("Code")), str(error.response["Error"].get("Message"))
    if code in _EXPIRED:
        return UsageError(f"the AWS credentials are expired or not valid ({code}): sign in again.")
    if code in _DENIED:
        action = found[1] if (found := _ACTION.search(message)) else f"what {error.operation_name} needs"
        return UsageError(f"permission denied: these credentials may not {action}.")
    return UsageError(f"AWS refused {error.operation_name} ({code}): {message}")
