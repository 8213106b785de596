"""Publishes events on the bus."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onramp.adapters.aws import retryable
from onramp.domain.errors import EventsRefused, RetryableError
from onramp.domain.event_data import Event

if TYPE_CHECKING:
    from mypy_boto3_events.client import EventBridgeClient

REFUSED_AS_A_WHOLE = ("ValidationException", "RequestEntityTooLargeException", "413")


@dataclass(frozen=True, slots=True)
class EventBus:
    client: EventBridgeClient
    bus: str

    def publish(self, *events: Event) -> None:
        """At most 10 events. Raises RetryableError; EventsRefused carries the refused entries.

        A call that is refused as a whole is repeated one by one: one event may be too large, or all together.
        """
        try:
            self._put(events)
        except RetryableError as error:
            if len(events) < 2 or not error.code.endswith(REFUSED_AS_A_WHOLE):
                raise
            self._put_each(events)

    def _put_each(self, events: Sequence[Event]) -> None:
        codes: dict[int, str] = {}
        for place, event in enumerate(events):
            try:
                self._put([event])
            except RetryableError as error:
                codes[place] = error.code
        if codes:
            raise EventsRefused(codes)

    def _put(self, events: Sequence[Event]) -> None:
        """PutEvents is not atomic and answers 200 even if every entry was refused: `FailedEntryCount` decides."""
        with retryable("put_events"):
            reply = self.client.put_events(
                Entries=[
                    {
                        "EventBusName": self.bus,
                        "Source": event.source,
                        "DetailType": event.kind.value,
                        "Detail": json.dumps(event.detail, separators=(",", ":")),
                    }
                    for event in events
                ]
            )
        entries = reply.get("Entries", [])
        if reply.get("FailedEntryCount", 0) or len(entries) != len(events):
            codes = {place: entry["ErrorCode"] for place, entry in enumerate(entries) if entry.get("ErrorCode")}
            raise EventsRefused(codes or dict.fromkeys(range(len(events)), "Unreadable"))
