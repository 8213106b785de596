"""200 random schedules; `make simulate` runs 10,000."""

from __future__ import annotations

import pytest

from tests.simulation.random_schedules import random_schedule
from tests.simulation.runner import run_schedule
from tests.simulation.shrinking import describe, shrink
from tests.simulation.totals import run_all

SCHEDULES, CHUNK = 200, 25


@pytest.mark.parametrize("first", range(0, SCHEDULES, CHUNK))
def test_every_invariant_holds(first: int) -> None:
    totals = run_all(map(random_schedule, range(first, first + CHUNK)))
    for problem, schedule in totals.failures:
        smallest = describe(shrink(schedule, run_schedule(schedule)))
        repeat = f"python -m tests.simulation.run --seed {schedule.seed}"
        pytest.fail(f"{repeat}\n{problem}\nthe smallest schedule that fails:\n{smallest}")
    assert totals.calls > 1000
