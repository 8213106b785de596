"""Reading a queue without taking anything out: each letter once, all of them visible again, memory for ids only."""

from __future__ import annotations

import random
import tracemalloc
from collections import Counter
from collections.abc import Iterator

import pytest

from onramp.ops.dlq.letters import PROVISIONING
from onramp.ops.dlq.walk import READING_SECONDS, RECEIVERS, Walk
from tests.night import BOTH, Night
from tests.world import DLQ


@pytest.fixture
def night() -> Iterator[Night]:
    with Night() as night:
        yield night


def fill(night: Night, count: int, size: int = 10) -> None:
    for number in range(count):
        night.sqs.put(DLQ, f"{number:0{size}}")


def visible(night: Night) -> int:
    queue = night.sqs.queues[DLQ]
    return sum(message.visible_at <= night.clock() for message in queue.messages())


def test_each_letter_comes_once_and_all_are_given_back(night: Night) -> None:
    fill(night, 1_234)
    with Walk(night.parts(night.desk()), BOTH) as walk:
        bodies = [letter.body for letter in walk]
        assert visible(night) == 0
    assert sorted(bodies) == [f"{number:010}" for number in range(1_234)]
    assert visible(night) == 1_234
    assert walk.complete


def test_in_any_order_and_with_duplicate_deliveries() -> None:
    with Night() as night:
        fill(night, 300)
        for message in random.Random(7).sample(night.sqs.messages(DLQ), 40):
            night.sqs.duplicate(DLQ, message)
        with Walk(night.parts(night.desk()), BOTH) as walk:
            ids = Counter(letter.id for letter in walk)
    assert len(ids) == 300
    assert set(ids.values()) == {1}


def test_a_walk_left_early_gives_back_what_ran_ahead(night: Night) -> None:
    fill(night, 500)
    with Walk(night.parts(night.desk()), BOTH) as walk:
        next(iter(walk))
    assert visible(night) == 500


def test_it_goes_on_where_it_was_left(night: Night) -> None:
    fill(night, 50)
    with Walk(night.parts(night.desk()), BOTH) as walk:
        first = next(iter(walk)).id
        rest = {letter.id for letter in walk}
    assert first not in rest
    assert len(rest) == 49


def test_two_readers_never_hold_the_same_letter(night: Night) -> None:
    fill(night, 200)
    parts = night.parts(night.desk())
    with Walk(parts, [PROVISIONING]) as one, Walk(parts, [PROVISIONING]) as other:
        mine = [next(iter(one)).id for _ in range(20)]
        theirs = [letter.id for letter in other]
        mine += [letter.id for letter in one]
    assert not set(mine) & set(theirs)
    assert len(mine) + len(theirs) == 200


def test_what_is_deleted_is_gone_and_the_rest_is_not(night: Night) -> None:
    fill(night, 30)
    with Walk(night.parts(night.desk()), BOTH) as walk:
        ids = [letter.id for letter in walk]
        assert walk.delete(ids[:12]) == []
    assert {message.id for message in night.sqs.messages(DLQ)} == set(ids[12:])


def test_a_deleted_letter_that_is_delivered_once_more_is_deleted_once_more(night: Night) -> None:
    """Standard queues may do that. It is never handed out again: it was sent already."""
    fill(night, 100)
    messages = {message.id: message for message in night.sqs.messages(DLQ)}
    with Walk(night.parts(night.desk()), [PROVISIONING]) as walk:
        first = next(iter(walk)).id
        walk.delete([first])
        night.sqs.duplicate(DLQ, messages[first])
        assert first not in [letter.id for letter in walk]
    assert first not in [message.id for message in night.sqs.messages(DLQ)]


def test_what_is_held_too_long_is_not_given_back(night: Night) -> None:
    """Somebody else may hold it by now, and would find it visible under their hands."""
    fill(night, 10)
    operations: list[str] = []
    desk = night.desk(lambda _call, _service, operation: operations.append(operation))
    with Walk(night.parts(desk), BOTH) as walk:
        list(walk)
        night.clock.advance(READING_SECONDS + 1)
    assert "change_message_visibility_batch" not in operations


def test_a_walk_longer_than_its_hold_ends_all_the_same(night: Night) -> None:
    """What it has seen comes round again and again."""
    fill(night, 100)
    desk = night.desk(lambda *_: night.clock.advance(READING_SECONDS / 8))
    with Walk(night.parts(desk), [PROVISIONING]) as walk:
        ids = Counter(letter.id for letter in walk)
    assert len(ids) == 100
    assert set(ids.values()) == {1}


def test_it_has_a_limit_and_says_so(night: Night) -> None:
    fill(night, 300)
    with Walk(night.parts(night.desk()), [PROVISIONING], most=100) as walk:
        seen = len(list(walk))
    assert 100 <= seen <= 100 + 10 * RECEIVERS
    assert not walk.complete


def test_memory_holds_ids_and_no_bodies(night: Night) -> None:
    fill(night, 2_000, size=20_000)
    parts = night.parts(night.desk())
    tracemalloc.start()
    try:
        with Walk(parts, [PROVISIONING]) as walk:
            assert sum(len(letter.body) for letter in walk) == 2_000 * 20_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2_000 * 20_000 / 5, "40 MB went through"
