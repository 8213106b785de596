"""The simulator itself: a seed repeats a run, actors interleave at every remote call, failures can be made smaller."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tests.simulation.mutants import ALL
from tests.simulation.mutants.mutant import NIA, TWICE, at, plan
from tests.simulation.random_schedules import random_schedule
from tests.simulation.runner import run_schedule
from tests.simulation.shrinking import shrink

ROOT = Path(__file__).resolve().parents[2]
SEEDS = (3, 14, 25)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_replays_a_run_exactly(seed: int) -> None:
    assert run_schedule(random_schedule(seed)).digest == run_schedule(random_schedule(seed)).digest


def test_a_seed_replays_a_run_in_another_process() -> None:
    """That process iterates over sets of strings in another order."""
    code = f"from tests.simulation.test_simulator import digests; print(*digests({SEEDS}))"
    environment = os.environ | {"PYTHONHASHSEED": "77", "PYTHONPATH": f"{ROOT}:{ROOT / 'shared'}"}
    answer = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, check=True)
    assert answer.stdout.decode().split() == digests(SEEDS)


def digests(seeds: tuple[int, ...]) -> list[str]:
    return [run_schedule(random_schedule(seed)).digest for seed in seeds]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_run_written_out_is_the_same_run(seed: int) -> None:
    drawn = run_schedule(random_schedule(seed))
    assert run_schedule(replace(random_schedule(seed), fault_rate=0.0, faults=drawn.injected)).digest == drawn.digest


def test_actors_interleave_at_every_call_without_threads() -> None:
    threads = threading.active_count()
    trace = run_schedule(plan(at(0, "sign_up", NIA, **TWICE))).trace
    callers = [line.split()[1] for line in trace if "worker" in line]
    assert callers.count("worker-nia-1") > 10
    assert sum(one != other for one, other in pairwise(callers)) > 20
    assert threading.active_count() == threads


def test_a_failure_is_made_smaller() -> None:
    mutant = next(mutant for mutant in ALL if mutant.name == "settle_before_the_event")
    with mutant.applied():
        failing = [drawn for drawn in map(random_schedule, range(10, 40)) if run_schedule(drawn).broken]
        results = [run_schedule(schedule) for schedule in failing]
        smaller = [shrink(schedule, result) for schedule, result in zip(failing, results, strict=True)]
        for small, result in zip(smaller, results, strict=True):
            assert run_schedule(small).broken.keys() & result.broken.keys()
    sizes = [(len(small.steps), len(small.faults)) for small in smaller]
    assert min(sizes) == (1, 1), sizes
    assert not run_schedule(smaller[sizes.index((1, 1))]).broken
