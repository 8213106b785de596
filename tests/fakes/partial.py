"""Batches that are applied in part: the first and every second entry after it fail."""

from collections.abc import Callable
from typing import Any

from tests.fakes.client import Reply

Send = Callable[..., Reply]
Partial = Callable[[str, Send, dict[str, Any]], Reply]


def split(entries: list[Any]) -> tuple[list[Any], list[Any]]:
    """The entries that are applied, and those that fail."""
    return entries[1::2], entries[::2]


def _put_events(_service: str, send: Send, request: dict[str, Any]) -> Reply:
    applied, failed = split(request["Entries"])
    reply = send(**request | {"Entries": applied}) if applied else {"Entries": [], "FailedEntryCount": 0, **OK}
    answers = iter(reply["Entries"])
    error = {"ErrorCode": "InternalFailure", "ErrorMessage": "Internal failure"}
    entries = [error if place % 2 == 0 else next(answers) for place in range(len(request["Entries"]))]
    return reply | {"Entries": entries, "FailedEntryCount": reply["FailedEntryCount"] + len(failed)}


def _entries(_service: str, send: Send, request: dict[str, Any]) -> Reply:
    applied, failed = split(request["Entries"])
    reply = send(**request | {"Entries": applied}) if applied else {"Successful": [], **OK}
    error = {"SenderFault": False, "Code": "InternalError", "Message": "Internal error"}
    return reply | {"Failed": [*reply.get("Failed", []), *({"Id": entry["Id"], **error} for entry in failed)]}


def _batch_get(_service: str, send: Send, request: dict[str, Any]) -> Reply:
    applied: dict[str, Any] = {}
    missed: dict[str, Any] = {}
    for table, wanted in request["RequestItems"].items():
        now, later = split(wanted["Keys"])
        applied |= {table: wanted | {"Keys": now}} if now else {}
        missed[table] = wanted | {"Keys": later}
    reply = send(RequestItems=applied) if applied else {"Responses": {}, **OK}
    return reply | {"UnprocessedKeys": missed}


OK: Reply = {"ResponseMetadata": {"RequestId": "fake", "HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}}
PARTIAL: dict[str, Partial] = {
    "put_events": _put_events,
    "send_message_batch": _entries,
    "delete_message_batch": _entries,
    "change_message_visibility_batch": _entries,
    "batch_get_item": _batch_get,
}
