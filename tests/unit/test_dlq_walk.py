"""Reading a queue without taking anything out: each letter once, all of them visible again, memory for ids only."""

from __future__ import annotations

import random
import tracemalloc
from collections import Counter
from collections.abc import Iterator

import pytest

from onramp.ops.common.dead_letters import PROVISIONING
from onramp.ops.common.queue_reader import READING_SECONDS, RECEIVERS, QueueReader
from onramp.ops.dlq.wiring import DlqWiring
from tests.dlq_scenario import BOTH, DlqScenario
from tests.pipeline import DLQ


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


def test_each_letter_comes_once_and_all_are_given_back(scenario: DlqScenario) -> None:
    fill(scenario, 1_234)
    with QueueReader(DlqWiring.of(scenario.context()), BOTH) as walk:
        bodies = [letter.body for letter in walk]
        assert visible(scenario) == 0
    assert sorted(bodies) == [f"{number:010}" for number in range(1_234)]
    assert visible(scenario) == 1_234
    assert walk.complete


def test_in_any_order_and_with_duplicate_deliveries() -> None:
    with DlqScenario() as scenario:
        fill(scenario, 300)
        for message in random.Random(7).sample(scenario.sqs.messages(DLQ), 40):
            scenario.sqs.duplicate(DLQ, message)
        with QueueReader(DlqWiring.of(scenario.context()), BOTH) as walk:
            ids = Counter(letter.id for letter in walk)
    assert len(ids) == 300
    assert set(ids.values()) == {1}


def test_a_walk_left_early_gives_back_what_ran_ahead(scenario: DlqScenario) -> None:
    fill(scenario, 500)
    with QueueReader(DlqWiring.of(scenario.context()), BOTH) as walk:
        next(iter(walk))
    assert visible(scenario) == 500


def test_it_goes_on_where_it_was_left(scenario: DlqScenario) -> None:
    fill(scenario, 50)
    with QueueReader(DlqWiring.of(scenario.context()), BOTH) as walk:
        first = next(iter(walk)).id
        rest = {letter.id for letter in walk}
    assert first not in rest
    assert len(rest) == 49


def test_two_readers_never_hold_the_same_letter(scenario: DlqScenario) -> None:
    fill(scenario, 200)
    parts = DlqWiring.of(scenario.context())
    with QueueReader(parts, [PROVISIONING]) as one, QueueReader(parts, [PROVISIONING]) as other:
        mine = [next(iter(one)).id for _ in range(20)]
        theirs = [letter.id for letter in other]
        mine += [letter.id for letter in one]
    assert not set(mine) & set(theirs)
    assert len(mine) + len(theirs) == 200


def test_what_is_deleted_is_gone_and_the_rest_is_not(scenario: DlqScenario) -> None:
    fill(scenario, 30)
    with QueueReader(DlqWiring.of(scenario.context()), BOTH) as walk:
        ids = [letter.id for letter in walk]
        assert walk.delete(ids[:12]) == []
    assert {message.id for message in scenario.sqs.messages(DLQ)} == set(ids[12:])


def test_a_deleted_letter_that_is_delivered_once_more_is_deleted_once_more(scenario: DlqScenario) -> None:
    """Standard queues may do that. It is never handed out again: it was sent already."""
    fill(scenario, 100)
    messages = {message.id: message for message in scenario.sqs.messages(DLQ)}
    with QueueReader(DlqWiring.of(scenario.context()), [PROVISIONING]) as walk:
        first = next(iter(walk)).id
        walk.delete([first])
        scenario.sqs.duplicate(DLQ, messages[first])
        assert first not in [letter.id for letter in walk]
    assert first not in [message.id for message in scenario.sqs.messages(DLQ)]


def test_what_is_held_too_long_is_not_given_back(scenario: DlqScenario) -> None:
    """Somebody else may hold it by now, and would find it visible under their hands."""
    fill(scenario, 10)
    operations: list[str] = []
    context = scenario.context(lambda _call, _service, operation: operations.append(operation))
    with QueueReader(DlqWiring.of(context), BOTH) as walk:
        list(walk)
        scenario.clock.advance(READING_SECONDS + 1)
    assert "change_message_visibility_batch" not in operations


def test_a_walk_longer_than_its_hold_ends_all_the_same(scenario: DlqScenario) -> None:
    """What it has seen comes round again and again."""
    fill(scenario, 100)
    context = scenario.context(lambda *_: scenario.clock.advance(READING_SECONDS / 8))
    with QueueReader(DlqWiring.of(context), [PROVISIONING]) as walk:
        ids = Counter(letter.id for letter in walk)
    assert len(ids) == 100
    assert set(ids.values()) == {1}


def test_it_has_a_limit_and_says_so(scenario: DlqScenario) -> None:
    fill(scenario, 300)
    with QueueReader(DlqWiring.of(scenario.context()), [PROVISIONING], most=100) as walk:
        seen = len(list(walk))
    assert 100 <= seen <= 100 + 10 * RECEIVERS
    assert not walk.complete


def test_memory_holds_ids_and_no_bodies(scenario: DlqScenario) -> None:
    fill(scenario, 2_000, size=20_000)
    parts = DlqWiring.of(scenario.context())
    tracemalloc.start()
    try:
        with QueueReader(parts, [PROVISIONING]) as walk:
            assert sum(len(letter.body) for letter in walk) == 2_000 * 20_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_000 * 20_000 / 5, "40 MB went through"
