"""`make mutate`: 100 mutants of the shipped code, the same in each run; at most three may be alive.

python -m tests.mutation.run                             the sample of `make mutate`
python -m tests.mutation.run --seed 4 --count 20         another sample
python -m tests.mutation.run --only adapters/sqs.py      mutants of one file
"""

from __future__ import annotations

import argparse
import os
import sys
import time

from tests.mutation.mutants import sample
from tests.mutation.process import prepare, record, survivors

MOST_ALIVE = 3


def main() -> int:
    options = arguments()
    started = time.monotonic()
    mutants = sample(options.seed, options.count, options.only)
    prepare()
    judges = record()
    print(f"{len(judges)} tests in {time.monotonic() - started:.0f} s", flush=True)
    failed = [judge.test for judge in judges if not judge.passed]
    for test in failed:
        print(f"    fails without a mutant: {test}")
    alive, judged = [], 0
    passed = [judge for judge in judges if judge.passed]
    for mutant, is_alive in survivors(mutants, passed, options.jobs, started + 60 * options.minutes):
        judged += 1
        if is_alive:
            alive.append(mutant)
            print(f"alive: {mutant}", flush=True)
    print(f"{len(alive)} of {judged} mutants are alive, after {time.monotonic() - started:.0f} s")
    if judged < len(mutants):
        print(f"{len(mutants) - judged} were not judged within {options.minutes} minutes")
    return int(bool(failed) or judged < len(mutants) or len(alive) > MOST_ALIVE)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation.run")
    parser.add_argument("--seed", type=int, default=9)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--only", default="", help="a part of the path: mutants of these files only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--minutes", type=int, default=45, help="no mutant is begun later")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
