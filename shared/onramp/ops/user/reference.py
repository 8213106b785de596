"""A support reference: the id of the trigger's call, which Cognito shows to a user whose signup failed.

The trigger logs one line for each call, without personal data; the line says what became of the signup.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from onramp.domain.decision import Decision, Kind
from onramp.domain.errors import Cause
from onramp.domain.event_data import rfc3339
from onramp.domain.identity import usable_sub
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.next_steps import next_step
from onramp.ops.common.output import Output
from onramp.ops.common.reasons import reason_of

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient

MOST_PAGES = 200  # FilterLogEvents reads about 1 MB a page, and returns empty ones on the way
DAY = 86_400_000  # milliseconds
TIMED_OUT = "Task timed out"


class LoggedCall(NamedTuple):
    """`at` in Unix milliseconds; `entry` is the trigger's own line, or what Lambda wrote of a call that ended early."""

    at: int
    entry: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TriggerLog:
    logs: CloudWatchLogsClient
    group: str
    since: int

    @classmethod
    def of(cls, context: OperatorContext) -> TriggerLog:
        function = context.output("PostConfirmationFunctionName")
        described = context.client("lambda").get_function_configuration(FunctionName=function, Qualifier="live")
        group = described.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{function}"
        days = int(context.parameters.get("LogRetentionDays", "30"))
        return cls(context.client("logs"), group, context.now() - days * DAY)

    def find(self, reference: str) -> LoggedCall | None:
        """The line of the call with this id: the trigger's own before one of Lambda's."""
        by_lambda = None
        for at, message in self._messages(reference):
            entry = _json(message)
            if entry.get("function_request_id") == reference and "message" in entry:
                return LoggedCall(at, entry)
            if TIMED_OUT in message:
                by_lambda = LoggedCall(at, {"message": TIMED_OUT})
        return by_lambda

    def _messages(self, reference: str) -> Iterator[tuple[int, str]]:
        request: dict[str, Any] = {
            "logGroupName": self.group,
            "filterPattern": f'"{reference}"',
            "startTime": self.since,
        }
        for _ in range(MOST_PAGES):
            reply = self.logs.filter_log_events(**request)
            yield from ((event["timestamp"], event["message"]) for event in reply.get("events", []))
            if not (token := reply.get("nextToken")):
                return
            request["nextToken"] = token


def reference_data(reference: str, call: LoggedCall) -> dict[str, Any]:
    entry = call.entry
    sub = usable_sub(entry.get("sub"))
    why, following = _explanation(entry, sub)
    return {
        "asked": reference,
        "reference": {
            "at": rfc3339(call.at),
            **{name: entry[name] for name in ("message", "cause", "code", "place", "outcome") if entry.get(name)},
        },
        "sub": sub,
        "why": why,
        "next": following,
        "needsSomebody": entry["message"] != "signed up",
    }


def _explanation(entry: Mapping[str, Any], sub: str | None) -> tuple[str, str]:
    """A sentence, and the command to run next."""
    look = next_step("reference_of_a_user", sub=sub) if sub else next_step("reference_of_a_failure")
    match entry["message"]:
        case "signup rejected":
            return f"The trigger refused the signup: {_why(str(entry.get('cause')))}.", look
        case "record not written":
            return f"The record could not be written: {entry.get('code', 'no code')}.", look
        case "bug":
            return f"The trigger has a bug: {entry.get('place', 'no place')}.", look
        case "signed up":
            return "The signup succeeded.", look
        case message if message == TIMED_OUT:
            return "The trigger did not answer in time, so that the record may be missing.", look
    return f"The trigger logged: {entry['message']}.", look


def _why(cause: str) -> str:
    if cause not in {known.value for known in Cause}:
        return cause
    if cause == Cause.MALFORMED_EVENT:
        return "the event of the call was not one of Cognito's"
    known = Cause(cause)
    kind = Kind.CONFLICT if known is Cause.LINKED_TO_ANOTHER_SUB else Kind.REFUSED
    decision = Decision(kind, known)
    return reason_of(decision.label).why


def _json(message: str) -> dict[str, Any]:
    try:
        entry = json.loads(message)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def print_reference(out: Output, data: Mapping[str, Any]) -> None:
    out.line(f"{data['asked']} is the reference of a call of the trigger at {data['reference']['at']}.")
    out.line(data["why"], "red" if data["needsSomebody"] else "green")
    logged = {name: value for name, value in data["reference"].items() if name != "at"}
    out.facts({**logged, "sub": data["sub"], "next": data["next"]})
