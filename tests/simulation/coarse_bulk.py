"""A backfill of millions of users, past the retention of the queue: the real QueueRoom and TokenBucket, and no records.

The worker is one process that RevenueCat's limit paces; the queue delivers in order and deletes what is too old.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

from onramp.adapters.pacing import TokenBucket
from onramp.ops.common.queue_room import QueueRoom
from onramp.usecases.batches import SEND_BATCH
from tests.fakes import VirtualClock
from tests.simulation.bulk import LIVE_AFTER, LIVE_EVERY, PAGES_PER_SECOND, BulkReport, BulkScale, LaggingSqs
from tests.template import retention as retention_of

FOREVER = float("inf")


@dataclass
class Messages:
    """Sent at the same time."""

    sent: float
    count: int
    live: bool = False


class CoarsePipeline:
    """Queue, worker and live signups. Time passes only in `sleep`. `get_queue_attributes` as an SQS client has it."""

    def __init__(self, report: BulkReport, retention: float) -> None:
        self.report, self.retention = report, retention
        self.clock, self._worker = VirtualClock(), VirtualClock()
        self._pace = TokenBucket(
            report.scale.per_minute / 60, SEND_BATCH, FOREVER, self._worker, self._worker.advance
        ).take
        self._messages: deque[Messages] = deque()
        self._depth = 0
        self._next_signup = self.clock() + LIVE_AFTER

    @property
    def is_busy(self) -> bool:
        return bool(self._messages)

    def get_queue_attributes(self, **_: Any) -> Any:
        return {"Attributes": {"ApproximateNumberOfMessages": str(self._depth)}}

    def send(self, count: int, *, live: bool = False) -> None:
        self._messages.append(Messages(self.clock(), count, live))
        self._depth += count
        self.report.deepest = max(self.report.deepest, self._depth)

    def sleep(self, seconds: float) -> None:
        until = self.clock() + seconds
        while self._next_signup <= until:
            self._work_until(self._next_signup)
            self.send(1, live=True)
            self._next_signup += LIVE_EVERY
        self._work_until(until)

    def _work_until(self, until: float) -> None:
        self.clock.now = until
        while self._messages and self._worker.now < until:
            messages = self._messages[0]
            self._worker.now = max(self._worker.now, messages.sent)
            if self._worker.now - messages.sent >= self.retention:
                self.report.owing += messages.count
                self._depth -= messages.count
                self._messages.popleft()
            else:
                self._provision_one(messages)

    def _provision_one(self, messages: Messages) -> None:
        self._pace()
        age = self._worker.now - messages.sent
        self.report.queue_age = max(self.report.queue_age, age)
        self.report.ready += 1
        if messages.live:
            self.report.waits.append(age)
        messages.count -= 1
        self._depth -= 1
        if not messages.count:
            self._messages.popleft()


def run_coarse_backfill(scale: BulkScale, *, waits: bool = True, retention: float | None = None) -> BulkReport:
    """`retention` in seconds, None: that of the template."""
    report = BulkReport(scale)
    pipeline = CoarsePipeline(report, retention or retention_of("ProvisioningQueue"))
    clock, sqs = pipeline.clock, LaggingSqs(pipeline, pipeline.clock)
    began = clock()
    client: Any = sqs
    room = QueueRoom(client, "queue", scale.most if waits else 0, clock, pipeline.sleep)
    pace = TokenBucket(PAGES_PER_SECOND, 1, FOREVER, clock, pipeline.sleep).take
    for first in range(0, scale.users, scale.page):
        pace()
        page = min(scale.page, scale.users - first)
        room.take(page)
        pipeline.send(page)
    report.backfill_took = clock() - began
    while pipeline.is_busy:
        pipeline.sleep(LIVE_EVERY)
    return report
