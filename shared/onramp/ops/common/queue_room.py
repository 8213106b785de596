"""Bulk work waits while the provisioning queue is long: live signups use the same queue and the same worker.

The providers' limits, not the worker, decide how fast the queue empties: 400 users a minute with RevenueCat's default.
A message waits for at most `most` others, for any number of users, and never comes near the queue's retention.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from onramp.ops.common.output import Output

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_sqs.literals import QueueAttributeNameType

MOST_IN_QUEUE = 500
"""Half of the backlog at which the reconciler waits too (`usecases/reconcile.py`)."""
SETTLE_SECONDS = 60.0
"""SQS's counts may be so old (its documentation: at least a minute): what was sent since then is counted here."""
POLL_SECONDS = 2.0
COUNTS: tuple[QueueAttributeNameType, ...] = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
"""Messages in flight count too: in an outage of a provider all of them wait for their next attempt."""


def say_nothing(_: object) -> None:
    """For a caller without a screen."""


def never() -> bool:
    return False


@dataclass(slots=True)
class WaitingNotice:
    """Says once that a command waits. `what` it does not create meanwhile."""

    out: Output
    what: str
    said: bool = False

    def __call__(self, depth: int) -> None:
        if depth and not self.said:
            self.said = True
            self.out.say(
                f"The provisioning queue holds {depth:,} messages: new {self.what} wait for the worker. Live signups"
                " keep their usual time. Ctrl-C is safe: the same command continues."
            )


@dataclass(slots=True)
class QueueRoom:
    """`most` messages in the queue, 0: it never waits. `settle_seconds` 0: for a caller with a slow rate of its own.

    `on_wait` is called with the number of messages, at each look at a queue that is too long, and with 0 afterwards.
    `is_stopped` True ends a wait.
    """

    sqs: SQSClient
    queue_url: str
    most: int
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    settle_seconds: float = SETTLE_SECONDS
    on_wait: Callable[[int], None] = say_nothing
    is_stopped: Callable[[], bool] = never
    _sent: deque[tuple[float, int]] = field(default_factory=deque)
    """When how many were sent, of the last `settle_seconds`."""
    _depth: int = 0
    """The messages in the queue at the last look."""

    def take(self, count: int) -> None:
        """Waits until `count` more messages have room."""
        waited = False
        while not self.try_take(count):
            if self.is_stopped():
                return
            waited = True
            self.on_wait(self._depth)
            self.sleep(POLL_SECONDS)
        if waited:
            self.on_wait(0)

    def try_take(self, count: int) -> bool:
        """Without waiting. False where the queue has no room for `count` more messages."""
        if not self.most or not count:
            return True
        self._depth = self._read_depth()
        if self._depth + self._unsettled() + min(count, self.most) > self.most:
            return False
        self._sent.append((self.monotonic(), count))
        return True

    def _read_depth(self) -> int:
        reply = self.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=COUNTS)
        return sum(int(reply.get("Attributes", {}).get(name, "0")) for name in COUNTS)

    def _unsettled(self) -> int:
        while self._sent and self._sent[0][0] <= self.monotonic() - self.settle_seconds:
            self._sent.popleft()
        return sum(count for _, count in self._sent)
