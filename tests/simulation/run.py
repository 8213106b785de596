"""make simulate: every part of the simulator, in as many processes as there are cores.

python -m tests.simulation.run                       all of it
python -m tests.simulation.run --schedules 500       so many drawn schedules and nothing else
python -m tests.simulation.run --pairs               every pair of faults of every way and nothing else
python -m tests.simulation.run --seed 4711           one schedule again: what happened, and the least that fails
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

from tests.simulation import exhaustive
from tests.simulation.drawing import draw
from tests.simulation.mutants import naive
from tests.simulation.reckoning import play
from tests.simulation.scale import HOUR, storm
from tests.simulation.schedules import Schedule
from tests.simulation.shrinking import shrink, story
from tests.simulation.tally import Tally, tally

SCHEDULES, CHUNK, SLICES, MOST_SEEDS = 10_000, 100, 200, 2_000
SAMPLED = SLICES // 50
WAY = "signup"
BAD, MOST_SHOWN = ("FAILED", "NOT NOTICED"), 3
Job = Callable[[], Any]
Part = tuple[str, Sequence[Job]]


# -- the jobs, each done in a process of its own -----------------------------------------------------


def drawn(first: int, count: int) -> Tally:
    return tally(map(draw, range(first, first + count)))


def singles(way: str) -> Tally:
    return tally(exhaustive.singles(exhaustive.WAYS[way]))


def pairs(way: str, number: int) -> Tally:
    """One of `SLICES` equal parts of all pairs of a way."""
    firsts = islice(exhaustive.unlike(exhaustive.WAYS[way]), number, None, SLICES)
    return tally(pair for first in firsts for pair in exhaustive.pairs(exhaustive.WAYS[way], first))


def hunt(name: str) -> str:
    """Draws schedules until one breaks the promise that the mutant is against."""
    mutant = next(one for one in naive.MUTANTS if one.name == name)
    with mutant.at_work():
        for seed in range(MOST_SEEDS):
            broken = play(draw(seed)).broken
            if mutant.caught_by <= broken.keys():
                return f"{name}: seed {seed} breaks {', '.join(sorted(broken))}"
    return f"{name}: NOT NOTICED by {MOST_SEEDS:,} schedules"


def scale(users: int, outage: float, stripe_calls_each: float) -> str:
    report = storm(users, outage=outage)
    shortcomings = report.falls_short(stripe_calls_each=stripe_calls_each)
    return f"{report}{''.join(f'; FAILED: {promise}' for promise in shortcomings)}"


# -- what is done with them --------------------------------------------------------------------------


def parts(options: argparse.Namespace) -> list[Part]:
    count = options.schedules or SCHEDULES
    drawn_ones = [partial(drawn, first, min(CHUNK, count - first)) for first in range(0, count, CHUNK)]
    if options.schedules:
        return [("drawn schedules", drawn_ones)]
    if options.pairs:
        return [(f"pairs of faults, {way}", slices(way, SLICES)) for way in exhaustive.WAYS]
    others = [way for way in exhaustive.WAYS if way != WAY]
    return [
        ("scale", [partial(scale, 100_000, 0.0, 1.01), partial(scale, 2_000, 6 * HOUR, 50.0)]),
        ("drawn schedules", drawn_ones),
        ("every single fault", [partial(singles, way) for way in exhaustive.WAYS]),
        (f"every pair of faults, {WAY}", slices(WAY, SLICES)),
        ("pairs of faults, a sample of the other ways", [job for way in others for job in slices(way, SAMPLED)]),
        ("naive protocols", [partial(hunt, mutant.name) for mutant in naive.MUTANTS]),
    ]


def slices(way: str, count: int) -> list[Job]:
    return [partial(pairs, way, number) for number in range(count)]


def simulate(options: argparse.Namespace) -> bool:
    """Whether all went well. What fails is shown as soon as it is known; on a terminal a bar shows the way."""
    began, everything, well = time.monotonic(), Tally(), True
    with bar() as progress, ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        running = [(name, [pool.submit(job) for job in jobs]) for name, jobs in parts(options)]
        for name, futures in running[1:] + running[:1]:  # the longest jobs begin first and end last
            part, bar_of_part = Tally(), progress.add_task(name, total=len(futures))
            for result in (future.result() for future in futures):
                progress.advance(bar_of_part)
                if isinstance(result, Tally):
                    part.add(result)
                    show_some(result.failures, MOST_SHOWN - len(everything.failures))
                    everything.add(result)
                else:
                    print(f"{name}: {result}", flush=True)
                    well &= not any(word in result for word in BAD)
            if part.runs:
                print(f"{name}: {summary(part)}", flush=True)
    print(f"in {time.monotonic() - began:,.0f} s: {summary(everything)}")
    missed = [] if options.schedules else everything.never_faulted
    for site in missed:
        print(f"NEVER FAULTED: {site.operation} by {site.caller}")
    return well and not missed and not everything.failures


def bar() -> Progress:
    """On standard error, where there is somebody to see it: the results on standard output stay lines."""
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    return Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty())


def summary(found: Tally) -> str:
    return (
        f"{found.runs:,} schedules, {found.calls:,} calls from {len(found.sites)} sites, "
        f"{sum(found.faults.values()):,} faults of {len(found.faults)} kinds, {len(found.failures)} failures"
    )


def show_some(failures: Sequence[tuple[str, Schedule]], most: int) -> None:
    for problem, schedule in failures[: max(most, 0)]:
        show(problem, schedule)


def show(problem: str, schedule: Schedule) -> None:
    print(f"\nFAILED, {problem}\n  the least that fails:\n{story(shrink(schedule, play(schedule)))}")
    if schedule.rate or not schedule.faults:
        print(f"  again: python -m tests.simulation.run --seed {schedule.seed}")
    sys.stdout.flush()


def again(seed: int) -> bool:
    schedule = draw(seed)
    verdict = play(schedule)
    print(story(schedule), *verdict.trace, f"digest {verdict.digest}", sep="\n")
    if verdict.broken:
        show("\n".join(f"{name}: {why}" for name, why in verdict.broken.items()), schedule)
    return not verdict.broken


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedules", type=int)
    parser.add_argument("--pairs", action="store_true")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args(arguments)
    well = simulate(options) if options.seed is None else again(options.seed)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
