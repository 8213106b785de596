"""docs/scale.md says what the code computes, and the model agrees with the handlers. Small scenarios only."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from tests.bench.report import table
from tests.storm import document, tables
from tests.storm.calibration import TOLERANCE, difference, of_handlers, of_model
from tests.storm.knee import Step, knee
from tests.storm.limits import RELAXATIONS, SETTINGS, Durations, Limits
from tests.storm.scenarios import FIFTY, ONE, SMALL, Scenario, binding, gains
from tests.storm.sweep import sweep

LIMITS = Limits.deployed()
BURST = Scenario("burst", rate=50, seconds=120.0)


@cache
def page() -> list[str]:
    return document.PAGE.read_text().splitlines()


def line(row: list[str]) -> str:
    return table(row, []).partition("\n")[0]


class TestThePage:
    @pytest.mark.parametrize("scenario", SMALL, ids=lambda scenario: str(scenario.name))
    def test_has_the_small_scenarios_as_they_are_computed(self, scenario: Scenario) -> None:
        assert line(tables.scenario_row(scenario, scenario.run(LIMITS), LIMITS)) in page()

    def test_has_the_binding_limit_of_a_small_scenario(self) -> None:
        assert line(tables.binding_row(ONE, ONE, gains(ONE, LIMITS, ONE.run(LIMITS)))) in page()

    def test_has_the_knee(self) -> None:
        (row,) = [row for row in page() if row.endswith("| RevenueCatRequestsPerMinute |")]
        assert row == line(tables.step_row(Step(knee(LIMITS), SETTINGS[0])))

    @pytest.mark.parametrize("users", [10_000, 1_000_000])
    def test_has_the_sweep(self, users: int) -> None:
        assert line(tables.sweep_row(sweep(users, LIMITS))) in page()

    def test_has_the_settings_quotas_and_assumptions_of_the_code(self) -> None:
        rows = [*tables.setting_rows(LIMITS), *tables.quota_rows(), *tables.assumption_rows(Durations())]
        assert [row for row in map(line, rows) if row not in page()] == []

    @pytest.mark.parametrize("name", document.PLOTS)
    def test_shows_its_plots(self, name: str) -> None:
        assert f"({name})" in document.PAGE.read_text()
        assert (document.PAGE.parent / name).read_text().startswith("<svg")


class TestTheModel:
    def test_agrees_with_the_handlers(self) -> None:
        assert difference(of_handlers(300), of_model(300)) < TOLERANCE

    def test_gives_nearly_the_same_where_one_object_stands_for_ten_users(self) -> None:
        fine, coarse = (replace(BURST, grain=grain).run(LIMITS) for grain in (1, 10))
        assert coarse.ready == fine.ready
        assert coarse.p95 == pytest.approx(fine.p95, rel=TOLERANCE)

    def test_is_the_same_without_a_limit_that_was_not_reached(self) -> None:
        found = BURST.run(LIMITS)
        for relaxation in RELAXATIONS:
            if not found.reached & set(relaxation.limits):
                assert BURST.run(relaxation(LIMITS)) == found, relaxation.name

    def test_names_the_limit_that_binds(self) -> None:
        slow = replace(LIMITS, stripe_pace=1.0)
        gain = binding(gains(BURST, slow, BURST.run(slow)))
        assert gain is not None
        assert gain.relaxation.name in {"StripeRequestsPerSecond", "Stripe's limit"}

    def test_loses_no_user_in_an_outage_and_repeats_the_requests(self) -> None:
        outage = Scenario("outage", rate=2, seconds=600.0, outage=1_800.0, grain=1).run(LIMITS)
        assert (outage.unready, outage.dead_letters) == (0, 0)
        assert outage.longest > 1_800
        assert outage.in_flight > 100

    def test_brings_back_the_users_of_expired_messages(self) -> None:
        found = FIFTY.run(replace(LIMITS, retention=3_600.0))
        assert found.expired > 0
        assert (found.unready, found.ready) == (0, 180_000)
        assert found.all_ready_after > FIFTY.run(LIMITS).all_ready_after

    def test_refuses_what_is_above_the_quota_of_cognito(self) -> None:
        found = replace(BURST, raises_quota=False).run(LIMITS)
        assert found.refused == pytest.approx(3_000, rel=0.1)
