"""make simulate: every part of the simulator, in as many processes as there are cores.

    python -m tests.simulation.run                         all of it
    python -m tests.simulation.run --schedules 500         fewer drawn schedules, nothing else
    python -m tests.simulation.run --seed 4711             one of them again: what happened, and the least that fails
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from itertools import islice
from multiprocessing import get_context

from tests.simulation import exhaustive
from tests.simulation.drawing import draw
from tests.simulation.mutants import naive
from tests.simulation.mutants.mutant import Mutant
from tests.simulation.reckoning import play
from tests.simulation.scale import Report, outage, storm
from tests.simulation.shrinking import shrink, story
from tests.simulation.tally import Tally, tally

SCHEDULES, CHUNK, SLICES = 10_000, 100, 40
SAMPLED_WAYS = 0.02
MOST_SEEDS = 2_000


def drawn(first: int, count: int) -> Tally:
    return tally(map(draw, range(first, first + count)))


def singles(way: str) -> Tally:
    return tally(exhaustive.singles(exhaustive.WAYS[way]))


def pairs(way: str, number: int) -> Tally:
    """One of `SLICES` equal parts of all pairs."""
    firsts = islice(exhaustive.unlike(exhaustive.WAYS[way]), number, None, SLICES)
    return tally(pair for first in firsts for pair in exhaustive.pairs(exhaustive.WAYS[way], first))


def hunt(mutant: Mutant) -> tuple[int, list[str]]:
    """The first seed whose schedule notices, and what was noticed."""
    with mutant.at_work():
        for seed in range(MOST_SEEDS):
            if broken := play(draw(seed)).broken:
                return seed, sorted(broken)
    return -1, []
