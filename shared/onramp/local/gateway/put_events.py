"""PutEvents checks each entry, as AWS does; the emulator accepts malformed entries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from onramp.local.asgi import Reply
from onramp.local.gateway.aws import AwsCall, Forward, aws_error, aws_reply

MAX_REQUEST_BYTES = 1024 * 1024
_MAX_LENGTHS = {"Source": 256, "DetailType": 128}
EntryError = dict[str, str]


async def put_events_layer(call: AwsCall, forward: Forward) -> Reply:
    if (call.service, call.operation) != ("events", "PutEvents"):
        return await forward(call)
    entries = entries_of(call)
    if not 1 <= len(entries) <= 10:
        return aws_error("ValidationException", "Entries must have between 1 and 10 members.")
    if sum(len(json.dumps(entry)) for entry in entries) > MAX_REQUEST_BYTES:
        return aws_error("ValidationException", "Total size of the entries in the request is over the limit.")
    return await put_valid_entries(call, forward, [_entry_error(entry) for entry in entries])


def entries_of(call: AwsCall) -> list[Any]:
    entries = call.payload().get("Entries")
    return entries if isinstance(entries, list) else []


async def put_valid_entries(call: AwsCall, forward: Forward, errors: Sequence[EntryError | None]) -> Reply:
    """Forwards the entries without an error. Returns status 200 with one result for each entry, also failed ones."""
    valid = [entry for entry, error in zip(entries_of(call), errors, strict=True) if error is None]
    accepted: list[Any] = []
    if valid:
        reply = await forward(call.with_payload({**call.payload(), "Entries": valid}))
        if reply.status != 200:
            return reply
        accepted = json.loads(reply.body)["Entries"]
    remaining = iter(accepted)
    results = [next(remaining) if error is None else error for error in errors]
    failed = sum("ErrorCode" in result for result in results)
    return aws_reply(200, {"FailedEntryCount": failed, "Entries": results})


def _entry_error(entry: Any) -> EntryError | None:
    if not isinstance(entry, dict):
        return _invalid_argument("Entry", "Entry is not an object")
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            return _invalid_argument(name, f"{name} is a required argument")
    for name, max_length in _MAX_LENGTHS.items():
        if len(str(entry[name])) > max_length:
            return _invalid_argument(name, f"{name} is longer than {max_length} characters")
    try:
        detail = json.loads(entry["Detail"])
    except (TypeError, ValueError):
        detail = None
    if not isinstance(detail, dict):
        return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
    return None


def _invalid_argument(name: str, reason: str) -> EntryError:
    message = f"Parameter {name} is not valid. Reason: {reason}."
    return {"ErrorCode": "InvalidArgument", "ErrorMessage": message}
