"""docs/scale.md and its plots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

from tests.bench.plots import line_plot
from tests.bench.report import table
from tests.storm import tables
from tests.storm.calibration import SIGNUPS, TOLERANCE, Times, difference
from tests.storm.knee import HELD_SECONDS, Step
from tests.storm.limits import Durations, Limits
from tests.storm.pipeline import Outcome
from tests.storm.quotas import READ_ON
from tests.storm.scenarios import LIVE_EVERY, MATTERS, TOO_LONG, Gain, Scenario
from tests.storm.sweep import SweepOutcome
from tests.storm.trigger import ATTEMPT_EVERY, ATTEMPTS
from tests.template import ROOT

PAGE = ROOT / "docs" / "scale.md"
PLOTS = {
    "scale-knee.svg": "Time to ready, by signups a second for five minutes",
    "scale-queue.svg": "The queue by time",
}
QUOTA_NOTE = (
    f"AWS's default quotas, {READ_ON}; Service Quotas has those of your account. A signup with a password is two"
    " requests of UserCreation."
)
PLOTTED_RATES = tuple(2.0**power for power in range(11))
PLOTTED_SECONDS = 300.0


@dataclass(frozen=True)
class Results:
    outcomes: Mapping[Scenario, Outcome]
    gains: Mapping[Scenario, Sequence[Gain]]
    steps: Sequence[Step]
    sweeps: Sequence[SweepOutcome]
    handlers: Times
    model: Times


INTRODUCTION = """# Scale

`make storm OPTIONS=--write` simulates the deployed limits and writes this page; a test computes its small scenarios
again. The settings are the template's. The code that decides is the shipped one: token buckets, backoff, the
reconciler, the sweep, the backfill's rule for the queue, the shards. Only calls are replaced by their durations. How it
works: [tests/storm](../tests/storm/__init__.py).
"""


def page(results: Results, limits: Limits) -> str:
    names = {scenario.name: outcome for scenario, outcome in results.outcomes.items()}
    parts = [
        INTRODUCTION.splitlines(),
        ["", "## Scenarios", "", _scenario_notes(), ""],
        _table(
            tables.SCENARIO_HEADER,
            [tables.scenario_row(scenario, found, limits) for scenario, found in results.outcomes.items()],
        ),
        ["", "![The queue by time](scale-queue.svg)", "", "## Which limit binds", "", _binding_note(), ""],
        _table(
            tables.BINDING_HEADER,
            [tables.binding_row(each, TOO_LONG.get(each, each), found) for each, found in results.gains.items()],
        ),
        ["", "## The knee", "", _knee_note(results.steps), ""],
        _table(("signups a second that are held", "what raises it"), map(tables.step_row, results.steps)),
        ["", "![Time to ready by signups a second](scale-knee.svg)", "", "## Beside the path", ""],
        _table(("limit", "used at most", "of"), tables.headroom_rows(names, limits)),
        ["", "A whole sweep of a pool:", ""],
        _table(
            ("users", "takes", "ListUsers requests", "in one run at most", "a second on average"),
            map(tables.sweep_row, results.sweeps),
        ),
        ["", "## Calibration", "", _calibration_note(results), ""],
        _table(("time to ready", "p50", "p95", "max"), tables.calibration_rows(results.handlers, results.model)),
        ["", "## Settings, quotas and assumptions", "", "Defaults of template.yaml:", ""],
        _table(("setting", "value"), tables.setting_rows(limits)),
        ["", QUOTA_NOTE, ""],
        _table(("quota", "value", "can be raised", "source"), tables.quota_rows()),
        ["", _assumption_note(), ""],
        _table(("what", "takes"), tables.assumption_rows(Durations())),
    ]
    return "\n".join(wrapped(line) for part in parts for line in part) + "\n"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return table(header, rows).splitlines()


def wrapped(line: str) -> str:
    return line if line.startswith(("|", "!")) else fill(line, 120, break_long_words=False, break_on_hyphens=False)


def _scenario_notes() -> str:
    return (
        "Signups are evenly spread. Cognito's quota is raised where the scenario needs more. `in flight`: received and"
        " not deleted. `expired`: messages older than the queue's retention, whose users are still owed. `queued"
        " again`: by the reconciler. `lost`: users who are not ready at the end, were refused, or have a dead letter."
        f" During a backfill a user signs up every {LIVE_EVERY:g} s, and the times to ready are those of these users."
    )


def _binding_note() -> str:
    return (
        "Each limit that was reached is relaxed alone, and the scenario runs again: a setting to the largest value"
        " that the template or the provider allows, a quota to none, with the setting that keeps it."
        f" A limit matters where the measure falls by more than {MATTERS:.0%}; the one that gains most is the binding"
        " one. Long scenarios are tried in a smaller form."
    )


def _knee_note(steps: Sequence[Step]) -> str:
    first = steps[0]
    return (
        f"A rate is held if 95 % of its users are ready within {HELD_SECONDS:g} s. By bisection that is up to"
        f" {first.rate:.3g} signups a second. Each row has relaxed what the rows before it name: settings first, then"
        " quotas."
    )


def _assumption_note() -> str:
    return (
        "Assumptions, which depend on account and region. Also: the queue delivers in the order in which messages"
        f" became visible, and Cognito repeats a throttled call after {ATTEMPT_EVERY:g} s, {ATTEMPTS} attempts in all."
        " The tables are new, without burst capacity. A provider that is down answers 503 at once."
        " A run of the reconciler takes no time. A signup that is not recorded is counted as lost, though the sweep"
        " finds it."
    )


def _calibration_note(results: Results) -> str:
    return (
        f"The same {SIGNUPS:,} signups in the simulator of the handlers and here, with the simulator's durations: they"
        f" differ by {difference(results.handlers, results.model):.1%} at most. A test fails above {TOLERANCE:.0%}."
    )


def plots(results: Results, limits: Limits) -> dict[str, str]:
    """By file name."""
    tried = {rate: Scenario("plotted", rate, PLOTTED_SECONDS, grain=1 if rate < 10 else 10) for rate in PLOTTED_RATES}
    found = {rate: scenario.run(limits) for rate, scenario in tried.items()}
    knee = {
        "p95": [(rate, outcome.p95) for rate, outcome in found.items()],
        "p50": [(rate, outcome.p50) for rate, outcome in found.items()],
    }
    queues = {
        scenario.name: [(at / 3600, max(1.0, depth)) for at, depth in thinned(found.depths)]
        for scenario, found in results.outcomes.items()
        if not scenario.users and len(found.depths) > 1
    }
    knee_title, queue_title = PLOTS.values()
    return {
        "scale-knee.svg": line_plot(
            knee_title, "signups a second", "seconds", knee, log_x=True, log_y=True,
            marks={"knee": results.steps[0].rate},
        ),
        "scale-queue.svg": line_plot(
            queue_title, "hours", "messages", queues, log_x=True, log_y=True, legend_below=True
        ),
    }  # fmt: skip


def thinned(points: Sequence[tuple[float, float]], most: int = 120) -> list[tuple[float, float]]:
    return list(points[:: max(1, len(points) // most)])


def write(text: str, pictures: Mapping[str, str], folder: Path = PAGE.parent) -> None:
    (folder / PAGE.name).write_text(text)
    for name, picture in pictures.items():
        (folder / name).write_text(picture)
