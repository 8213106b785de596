"""Publishes events in batches: one PutEvents call for each user would cost as much as the writes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from onramp.domain.errors import EventsRefused, RetryableError
from onramp.domain.event_data import Event
from onramp.usecases.batches import PUT_EVENTS
from onramp.usecases.signup import Publisher


@dataclass(slots=True)
class BatchPublisher:
    """Never raises: the record of a lost event still owes it, and the reconciler emits it. Thread-safe.

    An event may wait for a page of users: `forgotten_among` subs is read again immediately before it is published, so
    that no erased user is announced after UserForgotten. `unpublished` counts the events that the bus did not take.
    """

    publisher: Publisher
    forgotten_among: Callable[[Sequence[str]], frozenset[str]]
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
            forgotten = self.forgotten_among([_sub(event) for event in events])
            if current := [event for event in events if _sub(event) not in forgotten]:
                self.publisher.publish(*current)
        except EventsRefused as refused:
            self._count_unpublished(len(refused.codes))
        except RetryableError:
            self._count_unpublished(len(events))

    def _count_unpublished(self, count: int) -> None:
        with self._lock:
            self.unpublished += count


def _sub(event: Event) -> str:
    return str(event.detail["data"]["cognitoSub"])
