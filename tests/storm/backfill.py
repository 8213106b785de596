"""`onramp backfill` as a source of users: the shipped pause rule and pace, a page at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from onramp.adapters.cognito import PAGE
from onramp.adapters.pacing import TokenBucket
from onramp.ops.backfill.backfill_command import DEFAULT_RATE
from onramp.ops.common.queue_room import MOST_IN_QUEUE, QueueRoom
from tests.simulation.bulk import LaggingSqs
from tests.storm.limits import INF
from tests.storm.pipeline import Pipeline


class QueueCounts:
    """`get_queue_attributes` as an SQS client has it."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def get_queue_attributes(self, **_: Any) -> Any:
        return {"Attributes": {"ApproximateNumberOfMessages": str(self._pipeline.queue.depth * self._pipeline.grain)}}


def backfill(pipeline: Pipeline, users: int) -> None:
    """Waits while the queue is long, by counts that are up to a minute old."""
    clock, sleep = pipeline.clock, pipeline.scheduler.sleep
    sqs: Any = LaggingSqs(QueueCounts(pipeline), clock)
    room = QueueRoom(sqs, "queue", MOST_IN_QUEUE, clock, sleep)
    pace = TokenBucket(DEFAULT_RATE, 1, INF, clock, sleep).take
    for first in range(0, users, PAGE):
        pace()
        page = min(PAGE, users - first)
        room.take(page)
        for _ in range(page // pipeline.grain):
            pipeline.trigger.backfill()


def with_live_signups(pipeline: Pipeline, users: int, every: float) -> tuple[Callable[[], None], Callable[[], None]]:
    """The backfill, and signups every `every` seconds until it has ended."""
    done: list[bool] = []

    def fill() -> None:
        backfill(pipeline, users)
        done.append(True)

    def sign_up() -> None:
        while not done:
            pipeline.trigger.sign_up()
            pipeline.scheduler.sleep(every * pipeline.grain)

    return fill, sign_up
