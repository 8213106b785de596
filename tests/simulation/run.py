"""make simulate: every part of the simulator, in one process per core.

python -m tests.simulation.run                       all parts
python -m tests.simulation.run --schedules 500       only random schedules, 500 of them
python -m tests.simulation.run --pairs               only pairs of faults, every pair of every scenario
python -m tests.simulation.run --seed 4711           one random schedule: its trace and, if it fails, a smaller one
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import islice
from multiprocessing import get_context
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.simulation import fault_enumeration
from tests.simulation.bulk import BulkReport, BulkScale, run_backfill
from tests.simulation.coarse_bulk import run_coarse_backfill
from tests.simulation.fault_enumeration import SCENARIOS
from tests.simulation.mutants import naive
from tests.simulation.random_schedules import random_schedule
from tests.simulation.runner import run_schedule
from tests.simulation.scale import HOUR, run_burst
from tests.simulation.schedules import Schedule
from tests.simulation.shrinking import describe, shrink
from tests.simulation.totals import Totals, run_all

SCHEDULES, CHUNK, SLICES, MAX_SEEDS = 10_000, 100, 200, 2_000
SAMPLED = SLICES // 50
FULLY_PAIRED = "signup"
FAILURE_WORDS, MAX_SHOWN = ("FAILED", "NOT NOTICED"), 3
Job = Callable[[], Any]
Part = tuple[str, Sequence[Job]]


# -- the jobs, each in a process of its own ----------------------------------------------------------


def run_random(first: int, count: int) -> Totals:
    return run_all(map(random_schedule, range(first, first + count)))


def run_single_faults(scenario: str) -> Totals:
    return run_all(fault_enumeration.single_faults(SCENARIOS[scenario]))


def run_pairs(scenario: str, number: int) -> Totals:
    """One of `SLICES` equal parts of all pairs of a scenario."""
    firsts = islice(fault_enumeration.distinct_faults(SCENARIOS[scenario]), number, None, SLICES)
    return run_all(pair for first in firsts for pair in fault_enumeration.fault_pairs(SCENARIOS[scenario], first))


def hunt_mutant(name: str) -> str:
    """Draws schedules until one breaks the invariant that is to catch the mutant."""
    mutant = next(mutant for mutant in naive.MUTANTS if mutant.name == name)
    with mutant.applied():
        for seed in range(MAX_SEEDS):
            broken = run_schedule(random_schedule(seed)).broken
            if mutant.caught_by <= broken.keys():
                return f"{name}: seed {seed} breaks {', '.join(sorted(broken))}"
    return f"{name}: NOT NOTICED by {MAX_SEEDS:,} schedules"


def run_scale(users: int, outage: float, stripe_calls_each: float) -> str:
    report = run_burst(users, outage=outage)
    shortcomings = report.broken_promises(stripe_calls_each=stripe_calls_each)
    return f"{report}{''.join(f'; FAILED: {promise}' for promise in shortcomings)}"


def run_large_backfill(users: int, backfill: Callable[..., BulkReport]) -> str:
    report = backfill(BulkScale(users))
    return f"{report}{''.join(f'; FAILED: {promise}' for promise in report.broken_promises())}"


def run_naive_backfill(users: int) -> str:
    """A backfill that never waits loses messages: otherwise this scenario would show nothing."""
    report = run_coarse_backfill(BulkScale(users), waits=False)
    return f"without waiting: {'' if report.owing else 'NOT NOTICED: '}{report}"


# -- running and reporting ---------------------------------------------------------------------------


def parts(options: argparse.Namespace) -> list[Part]:
    count = options.schedules or SCHEDULES
    random_jobs = [partial(run_random, first, min(CHUNK, count - first)) for first in range(0, count, CHUNK)]
    if options.schedules:
        return [("random schedules", random_jobs)]
    if options.pairs:
        return [(f"pairs of faults, {scenario}", slices(scenario, SLICES)) for scenario in SCENARIOS]
    others = [scenario for scenario in SCENARIOS if scenario != FULLY_PAIRED]
    return [
        ("scale", [partial(run_scale, 100_000, 0.0, 1.01), partial(run_scale, 2_000, 6 * HOUR, 50.0)]),
        (
            "backfill",
            [
                partial(run_large_backfill, 3_000_000, run_coarse_backfill),
                partial(run_naive_backfill, 3_000_000),
                partial(run_large_backfill, 10_000, run_backfill),
            ],
        ),
        ("random schedules", random_jobs),
        ("every single fault", [partial(run_single_faults, scenario) for scenario in SCENARIOS]),
        (f"every pair of faults, {FULLY_PAIRED}", slices(FULLY_PAIRED, SLICES)),
        ("pairs of faults, a sample of the other scenarios", [job for name in others for job in slices(name, SAMPLED)]),
        ("naive protocols", [partial(hunt_mutant, mutant.name) for mutant in naive.MUTANTS]),
    ]


def slices(scenario: str, count: int) -> list[Job]:
    return [partial(run_pairs, scenario, number) for number in range(count)]


def simulate(options: argparse.Namespace) -> bool:
    """Whether everything passed. Failures are printed as soon as they are known; a terminal also gets progress bars."""
    began, everything, passed = time.monotonic(), Totals(), True
    with progress_bars() as progress, ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        running = [(name, [pool.submit(job) for job in jobs]) for name, jobs in parts(options)]
        for name, futures in running[1:] + running[:1]:  # the longest jobs start first and are reported last
            part, bar = Totals(), progress.add_task(name, total=len(futures))
            for result in (future.result() for future in futures):
                progress.advance(bar)
                if isinstance(result, Totals):
                    part.add(result)
                    show_failures(result.failures, MAX_SHOWN - len(everything.failures))
                    everything.add(result)
                else:
                    print(f"{name}: {result}", flush=True)
                    passed &= not any(word in result for word in FAILURE_WORDS)
            if part.runs:
                print(f"{name}: {summary(part)}", flush=True)
    print(f"in {time.monotonic() - began:,.0f} s: {summary(everything)}")
    missed = [] if options.schedules else everything.never_faulted
    for site in missed:
        print(f"NEVER FAULTED: {site.operation} by {site.caller}")
    return passed and not missed and not everything.failures


def progress_bars() -> Progress:
    """On standard error, and only if it is a terminal: standard output contains results only."""
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    return Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty())


def summary(totals: Totals) -> str:
    return (
        f"{totals.runs:,} schedules, {totals.calls:,} calls from {len(totals.sites)} sites, "
        f"{sum(totals.faults.values()):,} faults of {len(totals.faults)} kinds, {len(totals.failures)} failures"
    )


def show_failures(failures: Sequence[tuple[str, Schedule]], limit: int) -> None:
    for problem, schedule in failures[: max(limit, 0)]:
        show(problem, schedule)


def show(problem: str, schedule: Schedule) -> None:
    smallest = shrink(schedule, run_schedule(schedule))
    print(f"\nFAILED, {problem}\n  the smallest schedule that fails:\n{describe(smallest)}")
    if schedule.fault_rate or not schedule.faults:
        print(f"  repeat with: python -m tests.simulation.run --seed {schedule.seed}")
    sys.stdout.flush()


def repeat(seed: int) -> bool:
    schedule = random_schedule(seed)
    result = run_schedule(schedule)
    print(describe(schedule), *result.trace, f"digest {result.digest}", sep="\n")
    if result.broken:
        show(result.problems(), schedule)
    return not result.broken


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedules", type=int)
    parser.add_argument("--pairs", action="store_true")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args(arguments)
    passed = simulate(options) if options.seed is None else repeat(options.seed)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
