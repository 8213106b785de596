"""Publishes events in batches: one PutEvents call for each user would cost as much as the writes."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from onramp.domain.errors import EventsRefused, RetryableError
from onramp.domain.event_data import Event
from onramp.usecases.batches import PUT_EVENTS
from onramp.usecases.signup import Publisher


@dataclass(slots=True)
class BatchPublisher:
    """Never raises: the record of a lost event still owes it, and the reconciler emits it. Thread-safe.

    `unpublished` counts the events that the bus did not take.
    """

    publisher: Publisher
    unpublished: int = 0
    _waiting: list[Event] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def publish(self, *events: Event) -> None:
        with self._lock:
            self._waiting += events
            batch = self._take_batch() if len(self._waiting) >= PUT_EVENTS else []
        self._send(batch)

    def flush(self) -> None:
        while True:
            with self._lock:
                batch = self._take_batch()
            if not batch:
                return
            self._send(batch)

    def _take_batch(self) -> list[Event]:
        batch, self._waiting = self._waiting[:PUT_EVENTS], self._waiting[PUT_EVENTS:]
        return batch

    def _send(self, events: list[Event]) -> None:
        if not events:
            return
        try:
            self.publisher.publish(*events)
        except EventsRefused as refused:
            self._count_unpublished(len(refused.codes))
        except RetryableError:
            self._count_unpublished(len(events))

    def _count_unpublished(self, count: int) -> None:
        with self._lock:
            self.unpublished += count
