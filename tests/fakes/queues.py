"""One SQS standard queue: visibility, receive counts, redrive to a dead-letter queue, retention, delay."""

import base64
import heapq
import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.client import ACCOUNT, REGION, Clock
from tests.fakes.sqs_rules import SqsRefused


@dataclass(frozen=True)
class QueueSpec:
    visibility_timeout: float = 30
    retention: float = 4 * 86_400
    delay: float = 0
    dead_letter_queue: str = ""
    """The name of the queue for messages that were received `max_receive_count` times and not deleted."""
    max_receive_count: int = 0


@dataclass(eq=False)
class Message:
    id: str
    body: str
    sent: float
    """When it was first enqueued: unchanged by the move to a dead-letter queue, whose retention counts from it."""
    visible_at: float
    attributes: Mapping[str, Any] = field(default_factory=dict)
    receive_count: int = 0
    first_received: float | None = None
    received: float = 0
    source: str = ""
    """The ARN of the queue from which the redrive policy moved it."""
    number: int = 0
    """Its number in its queue: a duplicate has the same id and another number."""


class Queue:
    def __init__(self, name: str, spec: QueueSpec, clock: Clock, rng: random.Random | None) -> None:
        self.name, self.spec, self._clock, self._rng = name, spec, clock, rng
        self.arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        self.url = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}"
        self._messages: dict[int, Message] = {}
        self._waiting: list[tuple[float, int, Message]] = []  # a heap by the time they become visible
        self._ready: deque[Message] = deque()
        self._count = 0

    def add(self, message: Message) -> None:
        self._count += 1
        message.number = self._count
        self._messages[message.number] = message
        self.hide_until(message, message.visible_at)

    def hide_until(self, message: Message, visible_at: float) -> None:
        """Older heap entries of this message become stale; `_next` skips them."""
        message.visible_at = visible_at
        self._count += 1
        heapq.heappush(self._waiting, (visible_at, self._count, message))

    def get(self, number: int) -> Message | None:
        message = self._messages.get(number)
        return None if message is None or self._expired(message) else message

    def messages(self) -> Iterator[Message]:
        """The messages that are neither deleted nor expired."""
        return (message for message in list(self._messages.values()) if not self._expired(message))

    def delete(self, message: Message) -> None:
        self._messages.pop(message.number, None)

    def _expired(self, message: Message) -> bool:
        if self._clock() < message.sent + self.spec.retention:
            return False
        self.delete(message)
        return True

    def take(self, move: Callable[[Message], None]) -> Message | None:
        """The next visible message, in arrival order or, with `rng`, any. A message at its maximum of receives goes to
        `move` instead."""
        while message := self._next():
            if self.spec.max_receive_count and message.receive_count >= self.spec.max_receive_count:
                self.delete(message)
                message.source = self.arn
                move(message)
                continue
            message.receive_count += 1
            message.received = self._clock()
            message.first_received = message.first_received or message.received
            return message
        return None

    def _next(self) -> Message | None:
        now = self._clock()
        while self._waiting and self._waiting[0][0] <= now:
            self._ready.append(heapq.heappop(self._waiting)[2])
        while self._ready:
            if self._rng:
                self._ready.rotate(-self._rng.randrange(min(len(self._ready), 100)))
            message = self._ready.popleft()
            if message.visible_at <= now and self.get(message.number) is message:
                return message
        return None

    def next_visible(self) -> float:
        """The next time at which a message may be visible; infinity if none is waiting."""
        if self._ready:
            return self._clock()
        return self._waiting[0][0] if self._waiting else float("inf")

    def handle(self, message: Message) -> str:
        """The receipt of the latest receive."""
        return base64.b64encode(f"{self.name}/{message.number}/{message.receive_count}".encode()).decode()

    def find(self, handle: str) -> Message | None:
        """The message of a receipt, unless it was deleted or received again since."""
        try:
            name, number, count = base64.b64decode(handle, validate=True).decode().split("/")
        except ValueError:
            name, number, count = "", "", ""
        if name != self.name:
            raise SqsRefused(
                "ReceiptHandleIsInvalid", f'The input receipt handle "{handle}" is not a valid receipt handle.'
            )
        message = self.get(int(number))
        return message if message and message.receive_count == int(count) else None

    def delete_by(self, handle: str) -> dict[str, Any]:
        """An older receipt is accepted, and deletes nothing."""
        if message := self.find(handle):
            self.delete(message)
        return {}

    def in_flight_at_least(self, limit: int) -> bool:
        return len(self._messages) >= limit and self._counts()["ApproximateNumberOfMessagesNotVisible"] >= limit

    def _counts(self) -> dict[str, int]:
        hidden = [message for message in self.messages() if message.visible_at > self._clock()]
        delayed = sum(message.receive_count == 0 for message in hidden)
        return {
            "ApproximateNumberOfMessages": len(self._messages) - len(hidden),
            "ApproximateNumberOfMessagesNotVisible": len(hidden) - delayed,
            "ApproximateNumberOfMessagesDelayed": delayed,
        }

    def attributes(self) -> dict[str, str]:
        settings = {
            "VisibilityTimeout": self.spec.visibility_timeout,
            "MessageRetentionPeriod": self.spec.retention,
            "DelaySeconds": self.spec.delay,
        }
        counted = {name: str(int(value)) for name, value in (self._counts() | settings).items()}
        return counted | {"QueueArn": self.arn}
