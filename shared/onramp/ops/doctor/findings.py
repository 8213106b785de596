"""The result of a check: what is the case, why it matters, and the command that cures it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from onramp.ops.common.errors import reason


class Level(StrEnum):
    """The worst first."""

    TROUBLE = "trouble"
    WARNING = "warning"
    OK = "ok"


class Cause(StrEnum):
    """What several checks can see at once; the report has one line of trouble for it."""

    DEAD_LETTERS = "dead letters"
    DELIVERY = "undelivered events"
    UNHEALED = "signups without a record"
    BUS = "bus"
    TRIGGER = "the trigger fails"
    TRIGGER_THROTTLED = "throttled trigger"
    WORKER_THROTTLED = "throttled worker"
    REJECTIONS = "rejected signups"
    POOL = "detached trigger"
    HEALER = "the healer fails"
    WORKER = "the worker fails"
    UNREAD = "unread messages"
    OWED = "old owed work"
    RECONCILER = "reconciler"
    PROVIDER_KEY = "provider key"


@dataclass(frozen=True, slots=True)
class Finding:
    """`symptom`: it says less than another finding of the same cause, as an alarm says less than a check."""

    level: Level
    what: str
    why: str = ""
    cure: str = ""
    cause: Cause | None = None
    symptom: bool = False


def ok(what: str) -> Finding:
    return Finding(Level.OK, what)


def warning(what: str, why: str, cure: str) -> Finding:
    return Finding(Level.WARNING, what, why, cure)


def trouble(what: str, why: str, cure: str, cause: Cause | None = None, *, symptom: bool = False) -> Finding:
    return Finding(Level.TROUBLE, what, why, cure, cause, symptom)


def unchecked(error: Exception) -> Finding:
    """A warning: the check itself failed."""
    return warning(
        f"could not be checked: {reason(error)}",
        "the doctor does not know the state of this part.",
        "run it with credentials that have this permission, or check it by hand.",
    )
