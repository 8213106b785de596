"""The function of the toy stack: logs its event and obeys a command in the event or in the user's e-mail address."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import onramp


def handler(event: Any, context: Any) -> Any:
    sys.stderr.write(json.dumps({"event": event, "function": context.invoked_function_arn}) + "\n")
    if "sleep" in event:
        time.sleep(event["sleep"])
    if "call" in event:
        return _call(**event["call"])
    if "environ" in event:
        return dict(os.environ)
    if "packages" in event:
        return sorted(os.listdir(os.path.dirname(onramp.__file__)))
    command = event["request"]["userAttributes"]["email"].partition("@")[0]
    if command.startswith("reject"):
        raise ValueError("rejected")
    return "nonsense" if command.startswith("garbage") else event


def _call(service: str, operation: str, arguments: dict[str, Any]) -> Any:
    """Makes an AWS call with this function's role. Returns the error code or the status."""
    import boto3
    from botocore.exceptions import ClientError

    try:
        response = getattr(boto3.client(service), operation)(**arguments)  # type: ignore[call-overload]
    except ClientError as error:
        return error.response["Error"]["Code"]
    return response["ResponseMetadata"]["HTTPStatusCode"]
