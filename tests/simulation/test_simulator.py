"""The simulator itself: a seed is a run, others go on between any two calls, and a failure can be made smaller."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tests.simulation.drawing import draw
from tests.simulation.mutants import ALL
from tests.simulation.mutants.mutant import NIA, TWICE, at, plan
from tests.simulation.reckoning import play
from tests.simulation.shrinking import shrink

ROOT = Path(__file__).resolve().parents[2]
SEEDS = (3, 14, 25)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_replays_a_run_exactly(seed: int) -> None:
    assert play(draw(seed)).digest == play(draw(seed)).digest


def test_in_another_process_too() -> None:
    """With another order of every set of strings."""
    code = f"from tests.simulation.test_simulator import digests; print(*digests({SEEDS}))"
    environment = os.environ | {"PYTHONHASHSEED": "77", "PYTHONPATH": f"{ROOT}:{ROOT / 'shared'}"}
    answer = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, check=True)
    assert answer.stdout.decode().split() == digests(SEEDS)


def digests(seeds: tuple[int, ...]) -> list[str]:
    return [play(draw(seed)).digest for seed in seeds]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_written_out_is_the_same_run(seed: int) -> None:
    drawn = play(draw(seed))
    assert play(replace(draw(seed), rate=0.0, faults=drawn.struck)).digest == drawn.digest


def test_others_go_on_between_any_two_calls_and_nobody_needs_a_thread() -> None:
    threads = threading.active_count()
    trace = play(plan(at(0, "sign_up", NIA, **TWICE))).trace
    callers = [line.split()[1] for line in trace if "worker" in line]
    assert callers.count("worker-nia-1") > 10
    assert sum(one != other for one, other in pairwise(callers)) > 20
    assert threading.active_count() == threads


def test_a_failure_is_made_smaller() -> None:
    mutant = next(one for one in ALL if one.name == "settle_before_the_event")
    with mutant.at_work():
        schedule = next(one for one in map(draw, range(50)) if play(one).broken)
        verdict = play(schedule)
        least = shrink(schedule, verdict)
        assert play(least).broken.keys() & verdict.broken.keys()
    assert len(least.steps) == len(least.faults) == 1
    assert not play(least).broken
