"""Publishes events on the bus."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onramp.adapters.aws import retryable
from onramp.adapters.event_batches import send_batch
from onramp.domain.event_data import Event

if TYPE_CHECKING:
    from mypy_boto3_events.client import EventBridgeClient


@dataclass(frozen=True, slots=True)
class EventBus:
    client: EventBridgeClient
    bus: str

    def publish(self, *events: Event) -> None:
        """At most 10 events. Raises RetryableError; EventsRefused carries the refused entries."""
        send_batch("put_events", self._put, events)

    def _put(self, events: Sequence[Event]) -> Mapping[int, str]:
        """The code of each refused entry, by position.

        PutEvents is not atomic and answers 200 even if every entry was refused: `FailedEntryCount` decides.
        """
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
        if not reply.get("FailedEntryCount", 0) and len(entries) == len(events):
            return {}
        codes = {place: entry["ErrorCode"] for place, entry in enumerate(entries) if entry.get("ErrorCode")}
        return codes or dict.fromkeys(range(len(events)), "Unreadable")
