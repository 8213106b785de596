"""The scenarios of docs/scale.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tests.storm.backfill import with_live_signups
from tests.storm.limits import INF, RELAXATIONS, Durations, Limits, Relaxation
from tests.storm.pipeline import Outcome, Pipeline

HOUR, YEAR = 3600.0, 365 * 86_400.0
LIVE_EVERY = 2.0
"""Seconds between the signups during a backfill."""
MATTERS = 0.05
"""A limit binds where without it the measure is smaller by this part."""


@dataclass(frozen=True)
class Scenario:
    """`rate` signups a second for `seconds`, or a backfill of `users`. `outage`: seconds from the start without Stripe.

    With `raises_quota` Cognito's quota is raised where the rate is above it; otherwise Cognito refuses the rest.
    """

    name: str
    rate: float = 0.0
    seconds: float = 0.0
    users: int = 0
    outage: float = 0.0
    grain: int = 10
    raises_quota: bool = True

    def run(self, limits: Limits, durations: Durations | None = None, within: float = YEAR) -> Outcome:
        if self.raises_quota:
            limits = replace(limits, cognito=max(limits.cognito, 1.01 * self.rate))
        pipeline = Pipeline(limits, durations or Durations(), self.grain)
        if self.outage:
            pipeline.worker.outages["stripe"] = pipeline.began + self.outage
        if self.users:
            for name, source in zip(
                ("backfill", "live"), with_live_signups(pipeline, self.users, LIVE_EVERY), strict=True
            ):
                pipeline.start(name, source)
        else:
            pipeline.start("signups", lambda: pipeline.signups(self.rate, self.seconds))
        return pipeline.run(within)

    def measure(self, outcome: Outcome) -> float:
        """What a limit makes worse: when all users are ready after a backfill, otherwise the time to ready."""
        if outcome.unready:
            return INF
        return outcome.all_ready_after if self.users else outcome.p95


ONE = Scenario("1 signup a second, 1 h", rate=1, seconds=HOUR, grain=1)
FIFTY = Scenario("50 signups a second, 1 h", rate=50, seconds=HOUR)
MINUTES = Scenario("1,000 signups a second, 10 min", rate=1_000, seconds=HOUR / 6)
THOUSAND = Scenario("1,000 signups a second, 1 h", rate=1_000, seconds=HOUR, grain=20)
OUTAGE = Scenario("50 signups a second, 6 h, all without Stripe", rate=50, seconds=6 * HOUR, outage=6 * HOUR)
FEW_OUT = Scenario("5 signups a second, 6 h, all without Stripe", rate=5, seconds=6 * HOUR, outage=6 * HOUR)
NO_OUTAGE = Scenario("50 signups a second, 6 h", rate=50, seconds=6 * HOUR)
MILLION = Scenario("backfill of 1,000,000 users", users=1_000_000)
TEN_MILLION = Scenario("backfill of 10,000,000 users", users=10_000_000, grain=20)
SCENARIOS = (ONE, FIFTY, MINUTES, THOUSAND, FEW_OUT, OUTAGE, NO_OUTAGE, MILLION, TEN_MILLION)
SMALL = (ONE, FIFTY)
SHORT = replace(MINUTES, seconds=60)
FEW = replace(MILLION, users=60_000)
TOO_LONG = {
    MINUTES: SHORT,
    THOUSAND: SHORT,
    OUTAGE: replace(OUTAGE, rate=10, seconds=2 * HOUR, outage=2 * HOUR),
    NO_OUTAGE: FIFTY,
    MILLION: FEW,
    TEN_MILLION: FEW,
}
"""The smaller scenario on which the binding limit of a long one is looked for."""


@dataclass(frozen=True)
class Gain:
    """What one relaxation alone changes: the measure before and after."""

    relaxation: Relaxation
    before: float
    after: float

    @property
    def matters(self) -> bool:
        return self.after < self.before * (1 - MATTERS)


def gains(scenario: Scenario, limits: Limits, outcome: Outcome) -> list[Gain]:
    """One run for each limit that was reached: without one that was not, the run would be the same.

    A run that takes much longer is ended: its measure is infinite.
    """
    before, within = scenario.measure(outcome), outcome.all_ready_after + 60.0
    reached = [relaxation for relaxation in RELAXATIONS if outcome.reached & set(relaxation.limits)]
    return [Gain(each, before, scenario.measure(scenario.run(each(limits), within=within))) for each in reached]


def binding(found: Sequence[Gain]) -> Gain | None:
    """The relaxation that gains most."""
    return min((gain for gain in found if gain.matters), key=lambda gain: gain.after, default=None)
