"""Publishing on the bus."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from onramp.adapters.aws import retryable
from onramp.domain.envelope import SOURCE, Event
from onramp.domain.errors import RetryableError

if TYPE_CHECKING:
    from mypy_boto3_events.client import EventBridgeClient

MAX_ENTRIES = 10


class EventsRefused(RetryableError):
    """PutEvents answered 200 and refused entries: `refused` maps the position of each to its error code."""

    def __init__(self, refused: dict[int, str]) -> None:
        super().__init__("put_events_" + "_".join(sorted(set(refused.values()))))
        self.refused = refused


@dataclass(frozen=True, slots=True)
class EventBus:
    client: EventBridgeClient
    bus: str

    def publish(self, *events: Event) -> None:
        """At most 10 events. Raises RetryableError; EventsRefused tells which entries failed.

        PutEvents is not atomic and answers 200 even if every entry was refused: `FailedEntryCount` decides.
        """
        with retryable("put_events"):
            reply = self.client.put_events(
                Entries=[
                    {
                        "EventBusName": self.bus,
                        "Source": SOURCE,
                        "DetailType": event.kind.value,
                        "Detail": json.dumps(event.detail, separators=(",", ":")),
                    }
                    for event in events
                ]
            )
        if reply.get("FailedEntryCount", 0) or len(reply.get("Entries", ())) != len(events):
            codes = {i: entry.get("ErrorCode", "") for i, entry in enumerate(reply.get("Entries", ()))}
            raise EventsRefused({i: code for i, code in codes.items() if code} or {0: "Unknown"})
