"""Bulk work leaves room in the provisioning queue, also where SQS's counts are old."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from onramp.ops.backfill.refusals import RefusalsFile
from onramp.ops.backfill.wiring import BackfillWiring
from onramp.ops.common.output import Output
from onramp.ops.common.queue_room import MOST_IN_QUEUE, SETTLE_SECONDS, QueueRoom, WaitingNotice
from onramp.ops.replay.records import Query
from onramp.ops.replay.wiring import ReplayWiring
from onramp.ops.tables.replay_checkpoints import ReplayCheckpoint
from onramp.usecases import reconcile
from tests.operator_context import operator_context
from tests.pipeline import QUEUE, InMemoryPipeline


@pytest.fixture
def pipeline() -> Iterator[InMemoryPipeline]:
    with InMemoryPipeline() as pipeline:
        yield pipeline


def room(pipeline: InMemoryPipeline, most: int, **options: Any) -> QueueRoom:
    def sleep(seconds: float) -> None:
        """The worker takes one message a second."""
        pipeline.clock.advance(seconds)
        for message in pipeline.sqs.messages(QUEUE)[: round(seconds)]:
            pipeline.sqs.queues[QUEUE].delete(message)

    client: Any = pipeline.sqs
    return QueueRoom(client, pipeline.sqs.url(QUEUE), most, pipeline.clock, sleep, **options)


def send(pipeline: InMemoryPipeline, count: int) -> None:
    for _ in range(count):
        pipeline.sqs.put(QUEUE, "{}")


def test_it_waits_while_the_queue_is_long(pipeline: InMemoryPipeline) -> None:
    send(pipeline, 100)
    waits: list[int] = []
    room(pipeline, 50, on_wait=waits.append).take(10)
    assert len(pipeline.sqs.messages(QUEUE)) <= 40
    assert waits[0] == 100
    assert waits[-1] == 0


def test_messages_in_flight_count(pipeline: InMemoryPipeline) -> None:
    """In an outage of a provider every message waits, invisible, for its next attempt."""
    send(pipeline, 60)
    while pipeline.sqs.lambda_batch(QUEUE)["Records"]:
        pass
    start = pipeline.clock()
    room(pipeline, 50).take(10)
    assert pipeline.clock() > start


def test_what_was_just_sent_counts_before_sqs_counts_it(pipeline: InMemoryPipeline) -> None:
    taken, start = room(pipeline, 100), pipeline.clock()
    for _ in range(10):
        taken.take(10)
    assert pipeline.clock() == start
    taken.take(1)
    assert pipeline.clock() >= start + SETTLE_SECONDS


def test_a_page_larger_than_the_room_waits_for_an_empty_queue(pipeline: InMemoryPipeline) -> None:
    send(pipeline, 3)
    room(pipeline, 5).take(60)
    assert pipeline.sqs.messages(QUEUE) == []


def test_zero_never_waits_and_nothing_to_send_costs_no_call(pipeline: InMemoryPipeline) -> None:
    send(pipeline, 1_000)
    room(pipeline, 0).take(60)
    room(pipeline, 5).take(0)
    assert "get_queue_attributes" not in pipeline.sqs.calls


def test_the_default_is_below_the_backlog_of_the_reconciler() -> None:
    assert MOST_IN_QUEUE < reconcile.BACKLOG


def test_the_wait_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    notice = WaitingNotice(Output(as_json=False), "records")
    for depth in (512, 511, 0, 600):
        notice(depth)
    assert capsys.readouterr().err.count("512 messages") == 1


def test_a_replay_from_the_table_waits_too(pipeline: InMemoryPipeline) -> None:
    for number in range(30):
        pipeline.sign_up(f"user{number}@example.com", f"00000000-0000-0000-0000-{number:012}")
    depths: list[int] = []

    def work(seconds: float) -> None:
        depths.append(len(pipeline.sqs.messages(QUEUE)))
        pipeline.clock.advance(seconds)
        pipeline.run_worker()

    wiring = ReplayWiring.of(operator_context(pipeline, sleep=work))
    *_, emitted = wiring.emission(1_000.0, 20).run(Query(0, 10**15), ReplayCheckpoint(), 30)
    assert emitted == 30
    assert depths[0] == 30, "the signups themselves: the replay waits for the worker"


def test_a_backfill_without_room_writes_nothing(pipeline: InMemoryPipeline) -> None:
    """It waits before the writes: Ctrl-C there leaves the checkpoint of the page before."""

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    send(pipeline, 60)
    sub = "00000000-0000-0000-0000-00000000000c"
    pipeline.cognito.add_user(sub, {"sub": sub, "email": "cleo@example.com", "email_verified": "true"}, "CONFIRMED")
    wiring = BackfillWiring.of(operator_context(pipeline, sleep=interrupt))
    backfill = wiring.backfill(
        wiring.rules.pools,
        wiring.batch_publisher(),
        RefusalsFile(None),
        room=wiring.queue_room(50),
        rate=1_000.0,
        apply=True,
    )
    with pytest.raises(KeyboardInterrupt):
        list(backfill.run(backfill.start(resume=True)))
    assert pipeline.user("cleo@example.com") is None


def test_what_is_written_is_saved_before_a_wait(pipeline: InMemoryPipeline) -> None:
    """A wait may last as long as an outage: a process that is killed in it goes on after the pages written."""

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    for number in range(100):
        sub, email = f"00000000-0000-0000-0000-{number:012}", f"user{number}@example.com"
        pipeline.cognito.add_user(sub, {"sub": sub, "email": email, "email_verified": "true"}, "CONFIRMED")
    pipeline.clock.advance(3600)
    wiring = BackfillWiring.of(operator_context(pipeline))
    room = replace(wiring.queue_room(60), sleep=interrupt)
    backfill = wiring.backfill(
        wiring.rules.pools, wiring.batch_publisher(), RefusalsFile(None), rate=1_000.0, apply=True, room=room
    )
    with pytest.raises(KeyboardInterrupt):
        list(backfill.run(backfill.start(resume=True)))
    assert backfill.start(resume=True).users == 60
    assert len(pipeline.events.events) == 60
