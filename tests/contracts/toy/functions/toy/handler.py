"""The function of the toy stack: does what the user's e-mail address asks for, and logs the event it got."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

import onramp


def handler(event: Any, context: Any) -> Any:
    sys.stderr.write(json.dumps({"saw": event, "as": context.invoked_function_arn}) + "\n")
    if "sleep" in event:
        time.sleep(event["sleep"])
    if "call" in event:
        return _call(**event["call"])
    if "environ" in event:
        return dict(os.environ)
    if "packages" in event:
        return sorted(os.listdir(os.path.dirname(onramp.__file__)))
    wish = event["request"]["userAttributes"]["email"].partition("@")[0]
    if wish.startswith("reject"):
        raise ValueError("not you")
    return "nonsense" if wish.startswith("garbage") else event


def _call(service: str, operation: str, arguments: dict[str, Any]) -> Any:
    """Any AWS call, under this function's role."""
    import boto3
    from botocore.exceptions import ClientError

    try:
        answer = getattr(boto3.client(service), operation)(**arguments)  # type: ignore[call-overload]
    except ClientError as error:
        return error.response["Error"]["Code"]
    return answer["ResponseMetadata"]["HTTPStatusCode"]
