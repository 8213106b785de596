"""Invokes a trigger as Cognito does: permission check, timeout of 5 s, three attempts, Cognito's error messages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from onramp.local.asgi import Reply
from onramp.local.gateway.aws import Emulator, NoAnswerError, aws_error

ANSWER_WITHIN_SECONDS = 5.0
ATTEMPTS = 3


async def invoke_trigger(
    functions: Emulator, trigger: str, function: str, pool_arn: str, event: Mapping[str, Any]
) -> Reply | None:
    """None if the trigger succeeded, else the error that Cognito returns to its client."""
    if not _is_permitted(await functions.function_policy(function), pool_arn):
        return _unexpected(trigger, "AccessDeniedException")
    for _ in range(ATTEMPTS):
        reply = await _invoke_with_timeout(functions, function, event)
        if reply is not None:
            return _error_of(trigger, reply)
    return _unexpected(trigger, "Socket timeout while invoking Lambda function")


async def _invoke_with_timeout(functions: Emulator, function: str, event: Mapping[str, Any]) -> Reply | None:
    """None on a timeout. The invocation continues in the background, so that a retry overlaps it as on AWS."""
    running = asyncio.create_task(functions.invoke(function, event))
    _background.add(running)
    running.add_done_callback(_background.discard)
    done, _ = await asyncio.wait({running}, timeout=ANSWER_WITHIN_SECONDS)
    if not done:
        return None
    try:
        reply = running.result()
    except NoAnswerError:
        return None
    return None if _function_error(reply).startswith("Task timed out") else reply


_background: set[asyncio.Task[Reply]] = set()


def _error_of(trigger: str, reply: Reply) -> Reply | None:
    if reply.status != 200:
        return _unexpected(trigger, reply.header("x-amzn-errortype") or "ServiceException")
    if reply.header("x-amz-function-error"):
        message = f"{trigger} failed with error {_function_error(reply)}."
        return aws_error("UserLambdaValidationException", message)
    try:
        answer = json.loads(reply.body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or not isinstance(answer.get("response"), dict):
        return aws_error("InvalidLambdaResponseException", "Unrecognizable lambda output")
    return None


def _function_error(reply: Reply) -> str:
    if not reply.header("x-amz-function-error"):
        return ""
    try:
        answer = json.loads(reply.body)
    except ValueError:
        return ""
    return str(answer.get("errorMessage", "")) if isinstance(answer, dict) else ""


def _unexpected(trigger: str, reason: str) -> Reply:
    return aws_error("UnexpectedLambdaException", f"{trigger} invocation failed due to error {reason}.")


def _is_permitted(policy: Mapping[str, Any], pool_arn: str) -> bool:
    """Whether the alias permits Cognito to invoke it for this pool, as AWS requires."""
    for statement in policy.get("Statement", []):
        principal = statement.get("Principal")
        service = principal.get("Service") if isinstance(principal, dict) else principal
        source = statement.get("Condition", {}).get("ArnLike", {}).get("AWS:SourceArn", "*")
        if service in ("cognito-idp.amazonaws.com", "*") and fnmatchcase(pool_arn, source):
            return True
    return False
