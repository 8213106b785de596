"""Events ten at a time: one PutEvents for each user would cost as much as the writes."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from onramp.domain.errors import EventsRefused, RetryableError
from onramp.domain.event_data import Event
from onramp.usecases.signup import Publisher

MOST = 10


@dataclass(slots=True)
class BatchPublisher:
    """Takes every event and never raises: the record owes it, so the reconciler emits what is lost here."""

    publisher: Publisher
    not_taken: int = 0
    _waiting: list[Event] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def publish(self, *events: Event) -> None:
        with self._lock:
            self._waiting += events
            full = self._take() if len(self._waiting) >= MOST else []
        self._send(full)

    def flush(self) -> None:
        while True:
            with self._lock:
                some = self._take()
            if not some:
                return
            self._send(some)

    def _take(self) -> list[Event]:
        taken, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        return taken

    def _send(self, events: list[Event]) -> None:
        if not events:
            return
        try:
            self.publisher.publish(*events)
        except EventsRefused as refused:
            self._missed(len(refused.codes))
        except RetryableError:
            self._missed(len(events))

    def _missed(self, count: int) -> None:
        with self._lock:
            self.not_taken += count
