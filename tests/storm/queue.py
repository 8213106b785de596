"""The provisioning queue: visibility, receive counts, retention, messages in flight. A message: a group of users."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.storm.owed import Users


@dataclass(slots=True, order=True)
class Message:
    """Ordered by when it is visible again."""

    visible_at: float
    users: Users = field(compare=False)
    sent: float = field(compare=False)
    receives: int = field(default=0, compare=False)


class Queue:
    """Messages in the order in which they became visible. SQS promises no order; the fake of the simulator has this."""

    def __init__(self, clock: Callable[[], float], retention: float, most_in_flight: float, reached: Counter[str]):
        self._clock, self._retention, self._most, self._reached = clock, retention, most_in_flight, reached
        self._visible: deque[Message] = deque()
        self._hidden: list[Message] = []
        self._working = 0
        self.expired = 0
        self.deepest = 0
        self.most_in_flight = 0

    @property
    def in_flight(self) -> int:
        return len(self._hidden) + self._working

    @property
    def depth(self) -> int:
        return len(self._visible) + self.in_flight

    @property
    def visible(self) -> int:
        return len(self._visible)

    def send(self, users: Users) -> None:
        now = self._clock()
        self._visible.append(Message(now, users, now))
        self.deepest = max(self.deepest, self.depth)

    def receive(self, most: int) -> list[Message]:
        """At most `most` messages that are visible. They are in flight until `delete` or `hide`."""
        self._show()
        batch: list[Message] = []
        while len(batch) < most and self._visible:
            if self.in_flight >= self._most:
                self._reached["in_flight"] += 1
                break
            message = self._visible.popleft()
            if self._clock() - message.sent >= self._retention:
                self._reached["retention"] += 1
                self.expired += 1
                continue
            message.receives += 1
            self._working += 1
            batch.append(message)
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        return batch

    def delete(self) -> None:
        self._working -= 1

    def hide(self, message: Message, seconds: float) -> None:
        self._working -= 1
        message.visible_at = self._clock() + seconds
        heapq.heappush(self._hidden, message)

    def next_visible(self) -> float:
        self._show()
        return self._hidden[0].visible_at if self._hidden else float("inf")

    def _show(self) -> None:
        now = self._clock()
        while self._hidden and self._hidden[0].visible_at <= now:
            self._visible.append(heapq.heappop(self._hidden))
