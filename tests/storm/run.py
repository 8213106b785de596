"""make storm: every scenario, the knee and the calibration; prints docs/scale.md.

python -m tests.storm.run            prints the page
python -m tests.storm.run --write    writes it and its plots
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from tests.storm import document
from tests.storm.calibration import SIGNUPS, TOLERANCE, difference, of_handlers, of_model
from tests.storm.knee import steps
from tests.storm.limits import Limits
from tests.storm.scenarios import SCENARIOS, TOO_LONG, Gain, Scenario, gains
from tests.storm.sweep import sweep
from tests.storm.tables import scenario_row

SWEPT = (10_000, 1_000_000, 10_000_000)


def all_gains(limits: Limits) -> dict[Scenario, list[Gain]]:
    """Each sample is tried once, though two scenarios may have the same."""
    samples: dict[Scenario, list[Gain]] = {}
    for scenario in SCENARIOS:
        sample = TOO_LONG.get(scenario, scenario)
        if sample not in samples:
            samples[sample] = gains(sample, limits, sample.run(limits))
    return {scenario: samples[TOO_LONG.get(scenario, scenario)] for scenario in SCENARIOS}


def results(limits: Limits) -> document.Results:
    began, outcomes = time.monotonic(), {}
    for scenario in SCENARIOS:
        outcomes[scenario] = scenario.run(limits)
        say(" · ".join(scenario_row(scenario, outcomes[scenario], limits)), began)
    found = all_gains(limits)
    say("the binding limits", began)
    ladder = list(steps(limits))
    say("the knee", began)
    sweeps = [sweep(users, limits) for users in SWEPT]
    say("the sweeps", began)
    handlers, model = of_handlers(SIGNUPS), of_model(SIGNUPS)
    say("the calibration", began)
    return document.Results(outcomes, found, ladder, sweeps, handlers, model)


def say(what: str, began: float) -> None:
    print(f"{time.monotonic() - began:4.0f} s  {what}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args(arguments)
    limits = Limits.deployed()
    found = results(limits)
    text = document.page(found, limits)
    if options.write:
        document.write(text, document.plots(found, limits))
    print(text)
    return int(difference(found.handlers, found.model) > TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
