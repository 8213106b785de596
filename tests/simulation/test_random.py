"""A few hundred drawn schedules; `make simulate` plays ten thousand."""

from __future__ import annotations

import pytest

from tests.simulation.drawing import draw
from tests.simulation.reckoning import play
from tests.simulation.shrinking import shrink, story
from tests.simulation.tally import tally

SCHEDULES, CHUNK = 200, 25


@pytest.mark.parametrize("first", range(0, SCHEDULES, CHUNK))
def test_every_promise_holds(first: int) -> None:
    found = tally(map(draw, range(first, first + CHUNK)))
    for problem, schedule in found.failures:
        least = story(shrink(schedule, play(schedule)))
        pytest.fail(f"python -m tests.simulation.run --seed {schedule.seed}\n{problem}\nthe least that fails:\n{least}")
    assert found.calls > 1000
