"""What a check found: what it is, why it matters, and the command that cures it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from botocore.exceptions import BotoCoreError, ClientError

from onramp.domain.errors import RetryableError
from onramp.ops.common.errors import explained

_ACTION = re.compile(r"perform:?\s+([\w-]+:\w+)")


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    what: str
    why: str = ""
    cure: str = ""


def ok(what: str) -> Finding:
    return Finding(Level.OK, what)


def warning(what: str, why: str, cure: str) -> Finding:
    return Finding(Level.WARNING, what, why, cure)


def trouble(what: str, why: str, cure: str) -> Finding:
    return Finding(Level.TROUBLE, what, why, cure)


def unchecked(error: Exception) -> Finding:
    """A check that could not look."""
    return warning(
        f"could not be checked: {reason(error)}",
        "the doctor does not know whether this is well.",
        "run it with credentials that may do this, or look by hand.",
    )


def reason(error: Exception) -> str:
    """The permission that is lacking, or what answered instead."""
    cause = error.__cause__ if isinstance(error, RetryableError) else error
    match cause:
        case ClientError():
            code, message = str(cause.response["Error"].get("Code")), str(cause.response["Error"].get("Message"))
            found = _ACTION.search(message)
            return f"{found[1]} is not allowed" if found else f"{cause.operation_name} ({code})"
        case BotoCoreError():
            return str(explained(cause))
    return str(error) or type(error).__name__
