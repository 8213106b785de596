"""The queue reader yields each letter once, deletes none, makes all visible again and keeps only ids in memory."""

from __future__ import annotations

import heapq
import random
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import Any

import pytest

from onramp.ops.common.dead_letters import PROVISIONING, DeadLetterQueues
from onramp.ops.common.queue_reader import MAX_HELD, READING_SECONDS, RECEIVERS, QueueReader
from tests.dlq_scenario import BOTH, DlqScenario
from tests.fakes import VirtualClock
from tests.pipeline import DLQ, InlineExecutor


@pytest.fixture
def scenario() -> Iterator[DlqScenario]:
    with DlqScenario() as scenario:
        yield scenario


def fill(scenario: DlqScenario, count: int, size: int = 10) -> None:
    for number in range(count):
        scenario.sqs.put(DLQ, f"{number:0{size}}")


def visible(scenario: DlqScenario) -> int:
    queue = scenario.sqs.queues[DLQ]
    return sum(message.visible_at <= scenario.clock() for message in queue.messages())


class VirtualThreads(InlineExecutor):
    """Threads on a virtual clock: a task starts when a thread is free, and its result is there when its calls ended."""

    def __init__(self, clock: VirtualClock, count: int) -> None:
        self.clock, self.free_at = clock, [clock()] * count
        heapq.heapify(self.free_at)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        now = self.clock.now
        self.clock.now = max(now, heapq.heappop(self.free_at))
        future = super().submit(fn, *args, **kwargs)
        done_at, self.clock.now = self.clock.now, now
        heapq.heappush(self.free_at, done_at)
        result = future.result

        def wait_for_result(timeout: float | None = None) -> Any:
            self.clock.now = max(self.clock.now, done_at)
            return result(timeout)

        vars(future)["result"] = wait_for_result
        return future


class DistantSqs:
    """SQS as far away as AWS is: each call takes `latency` seconds, and a receive may return less than it asks for."""

    def __init__(self, scenario: DlqScenario, latency: float, most: int) -> None:
        self.sqs, self.clock, self.latency, self.most = scenario.sqs, scenario.clock, latency, most
        self.receives = self.most_in_flight = self.repeated = 0
        self.seen: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            self.clock.advance(self.latency)
            return getattr(self.sqs, name)(**request)

        return call

    def receive_message(self, **request: Any) -> Any:
        self.clock.advance(self.latency)
        self.receives += 1
        reply = self.sqs.receive_message(**request | {"MaxNumberOfMessages": self.most})
        ids = {message["MessageId"] for message in reply.get("Messages", [])}
        self.repeated += len(ids & self.seen)
        self.seen |= ids
        if not ids:
            self.clock.advance(request["WaitTimeSeconds"])
        return reply


@pytest.mark.parametrize(("letters", "most"), [(100_000, 10), (20_000, 2)])
def test_letters_are_read_within_ten_minutes_at_100_ms_a_call(letters: int, most: int) -> None:
    """100,000 of them, or fewer where SQS returns few at a time; none is visible again before the end of the walk."""
    with DlqScenario(validate=False) as scenario:
        fill(scenario, letters)
        context = scenario.context()
        distant = context.clients["sqs"] = DistantSqs(scenario, 0.1, most)
        context.threads = partial(VirtualThreads, scenario.clock)
        start = scenario.clock()
        with QueueReader(DeadLetterQueues.of(context), [PROVISIONING]) as reader:
            count = sum(1 for _ in reader)
            read_in = scenario.clock() - start
        took = scenario.clock() - start
        assert count == letters
        assert distant.repeated == 0, "letters reappeared during the walk"
        assert reader.complete or letters == MAX_HELD
        assert read_in < took < 600
        assert visible(scenario) == letters


def test_a_slow_caller_holds_the_letters_for_as_long_as_it_takes() -> None:
    """A redrive of 100 users a second: letters that its filter leaves out stay hidden until it has passed the last."""
    with DlqScenario(validate=False) as scenario:
        fill(scenario, 20_000)
        context = scenario.context()
        distant = context.clients["sqs"] = DistantSqs(scenario, 0.1, 10)
        context.threads = partial(VirtualThreads, scenario.clock)
        with QueueReader(DeadLetterQueues.of(context), [PROVISIONING], rate=100) as reader:
            for _ in reader:
                scenario.clock.advance(1 / 100)
        assert distant.repeated == 0


def test_a_short_queue_is_held_for_a_minute_only(scenario: DlqScenario) -> None:
    fill(scenario, 100)
    with QueueReader(DeadLetterQueues.of(scenario.context()), [PROVISIONING]) as reader:
        list(reader)
        hidden_until = max(message.visible_at for message in scenario.sqs.messages(DLQ))
    assert hidden_until - scenario.clock() < READING_SECONDS + 5


def test_each_letter_is_yielded_once_and_all_are_released(scenario: DlqScenario) -> None:
    fill(scenario, 1_234)
    with QueueReader(DeadLetterQueues.of(scenario.context()), BOTH) as reader:
        bodies = [letter.body for letter in reader]
        assert visible(scenario) == 0
    assert sorted(bodies) == [f"{number:010}" for number in range(1_234)]
    assert visible(scenario) == 1_234
    assert reader.complete


def test_in_any_order_and_with_duplicate_deliveries() -> None:
    with DlqScenario() as scenario:
        fill(scenario, 300)
        for message in random.Random(7).sample(scenario.sqs.messages(DLQ), 40):
            scenario.sqs.duplicate(DLQ, message)
        with QueueReader(DeadLetterQueues.of(scenario.context()), BOTH) as reader:
            ids = Counter(letter.id for letter in reader)
    assert len(ids) == 300
    assert set(ids.values()) == {1}


def test_a_loop_left_early_releases_the_letters_read_ahead(scenario: DlqScenario) -> None:
    fill(scenario, 500)
    with QueueReader(DeadLetterQueues.of(scenario.context()), BOTH) as reader:
        next(iter(reader))
    assert visible(scenario) == 500


def test_a_second_loop_continues_where_the_first_stopped(scenario: DlqScenario) -> None:
    fill(scenario, 50)
    with QueueReader(DeadLetterQueues.of(scenario.context()), BOTH) as reader:
        first = next(iter(reader)).id
        rest = {letter.id for letter in reader}
    assert first not in rest
    assert len(rest) == 49


def test_two_readers_never_hold_the_same_letter(scenario: DlqScenario) -> None:
    fill(scenario, 200)
    queues = DeadLetterQueues.of(scenario.context())
    with QueueReader(queues, [PROVISIONING]) as first, QueueReader(queues, [PROVISIONING]) as second:
        first_ids = [next(iter(first)).id for _ in range(20)]
        second_ids = [letter.id for letter in second]
        first_ids += [letter.id for letter in first]
    assert not set(first_ids) & set(second_ids)
    assert len(first_ids) + len(second_ids) == 200


def test_only_deleted_letters_are_gone(scenario: DlqScenario) -> None:
    fill(scenario, 30)
    with QueueReader(DeadLetterQueues.of(scenario.context()), BOTH) as reader:
        ids = [letter.id for letter in reader]
        assert reader.delete(ids[:12]) == []
    assert {message.id for message in scenario.sqs.messages(DLQ)} == set(ids[12:])


def test_a_deleted_letter_that_is_delivered_again_is_deleted_again(scenario: DlqScenario) -> None:
    """Standard queues may deliver twice. The reader never yields it again: it was sent already."""
    fill(scenario, 100)
    messages = {message.id: message for message in scenario.sqs.messages(DLQ)}
    with QueueReader(DeadLetterQueues.of(scenario.context()), [PROVISIONING]) as reader:
        first = next(iter(reader)).id
        reader.delete([first])
        scenario.sqs.duplicate(DLQ, messages[first])
        assert first not in [letter.id for letter in reader]
    assert first not in [message.id for message in scenario.sqs.messages(DLQ)]


def test_letters_whose_hold_is_over_are_not_released(scenario: DlqScenario) -> None:
    """Another reader may hold them by now; a release would make them visible to a third one."""
    fill(scenario, 10)
    operations: list[str] = []
    context = scenario.context(lambda _call, _service, operation: operations.append(operation))
    with QueueReader(DeadLetterQueues.of(context), BOTH) as reader:
        list(reader)
        scenario.clock.advance(READING_SECONDS + 1)
    assert "change_message_visibility_batch" not in operations


def test_a_read_that_takes_longer_than_its_hold_ends(scenario: DlqScenario) -> None:
    """SQS delivers letters again whose timeout is over."""
    fill(scenario, 100)
    context = scenario.context(lambda *_: scenario.clock.advance(READING_SECONDS / 8))
    with QueueReader(DeadLetterQueues.of(context), [PROVISIONING]) as reader:
        ids = Counter(letter.id for letter in reader)
    assert len(ids) == 100
    assert set(ids.values()) == {1}


def test_at_its_limit_the_reader_stops_and_is_incomplete(scenario: DlqScenario) -> None:
    fill(scenario, 300)
    with QueueReader(DeadLetterQueues.of(scenario.context()), [PROVISIONING], limit=100) as reader:
        count = len(list(reader))
    assert 100 <= count <= 100 + 10 * RECEIVERS
    assert not reader.complete


def test_memory_holds_ids_but_no_bodies(scenario: DlqScenario) -> None:
    fill(scenario, 2_000, size=20_000)
    queues = DeadLetterQueues.of(scenario.context())
    tracemalloc.start()
    try:
        with QueueReader(queues, [PROVISIONING]) as reader:
            assert sum(len(letter.body) for letter in reader) == 2_000 * 20_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_000 * 20_000 / 5, "the bodies are 40 MB"
