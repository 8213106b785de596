"""Sends a batch of events to the bus or to a queue: an event that is too large must not hold back the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from onramp.domain.errors import EventsRefused, RetryableError
from onramp.domain.event_data import Event

TOO_LARGE = ("ValidationException", "RequestEntityTooLargeException", "413", "BatchRequestTooLong")
"""The ends of the codes with which PutEvents and SendMessageBatch refuse a call as a whole."""
Send = Callable[[Sequence[Event]], Mapping[int, str]]
"""Returns the error code of each refused event, by position. Raises RetryableError where the call failed."""


def send_batch(operation: str, send: Send, events: Sequence[Event]) -> None:
    """A call that is too large is repeated one by one: one event may be too large, or all together.

    Raises RetryableError; EventsRefused carries the refused events.
    """
    try:
        refused = send(events)
    except RetryableError as error:
        if not is_too_large(error.code):
            raise
        refused = {0: error.code} if len(events) == 1 else _send_each(send, events)
    if refused:
        raise EventsRefused(operation, {place: code.removeprefix(f"{operation}_") for place, code in refused.items()})


def is_too_large(code: str) -> bool:
    """Of a single event: no later attempt can succeed while its record is as it is."""
    return code.endswith(TOO_LARGE)


def _send_each(send: Send, events: Sequence[Event]) -> dict[int, str]:
    refused: dict[int, str] = {}
    for place, event in enumerate(events):
        try:
            codes = send([event])
        except RetryableError as error:
            codes = {0: error.code}
        if codes:
            refused[place] = codes[0]
    return refused
