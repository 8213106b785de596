"""A burst far above the providers' rate limits, and six hours without Stripe. `make simulate` runs larger ones."""

from __future__ import annotations

from argparse import Namespace
from functools import partial

import pytest

from tests.simulation import run
from tests.simulation.bulk import BulkScale, run_backfill
from tests.simulation.coarse_bulk import run_coarse_backfill
from tests.simulation.scale import HOUR, run_burst


def test_a_burst_waits_in_the_queue_and_costs_each_provider_one_call_per_user() -> None:
    report = run_burst(1_000, within=30.0)
    assert report.broken_promises(stripe_calls_each=1.01) == [], report
    assert report.stripe_calls == report.users + report.too_many_requests
    # Two idle workers begin with a burst of ten each on top of their rate; after that nothing is refused.
    assert report.too_many_requests <= 20


def test_six_hours_without_stripe_end_with_an_empty_dead_letter_queue() -> None:
    report = run_burst(40, within=600.0, outage=6 * HOUR)
    assert report.broken_promises(stripe_calls_each=50) == [], report
    assert report.emissions_of_one_user == 1


class TestABackfill:
    """Without its wait the queue holds every user: the last one, and each live signup, waits for all of them."""

    scale = BulkScale.small(300)

    def test_leaves_live_signups_their_usual_time_and_no_message_grows_old(self) -> None:
        report, coarse = run_backfill(self.scale), run_coarse_backfill(self.scale)
        assert report.found == {"create": self.scale.users}
        assert report.broken_promises() == [], report
        assert coarse.broken_promises() == [], "the model of the larger runs"
        assert coarse.backfill_took == pytest.approx(report.backfill_took, rel=0.2)
        assert coarse.deepest == pytest.approx(report.deepest, rel=0.2)

    def test_that_never_waits_breaks_the_promise(self) -> None:
        broken = run_backfill(self.scale, waits=False).broken_promises()
        assert broken == ["a live signup takes its usual time", "the queue stays short", "no message grows old"]

    def test_of_more_users_than_the_worker_provisions_within_the_retention_loses_no_message(self) -> None:
        scale, hour = BulkScale(30_000), 3600
        assert run_coarse_backfill(scale, retention=hour).broken_promises() == []
        naive = run_coarse_backfill(scale, waits=False, retention=hour)
        assert "no user lost the message" in naive.broken_promises()
        assert naive.owing == pytest.approx(scale.users - 60 * scale.per_minute, rel=0.1)

    def test_is_a_part_of_make_simulate(self) -> None:
        """Each job says FAILED or NOT NOTICED where it shows nothing: a thousand users lose no message."""
        jobs = dict(run.parts(Namespace(schedules=None, pairs=False)))["backfill"]
        assert len(jobs) == 3
        assert "NOT NOTICED" in run.run_naive_backfill(1_000)
        assert "FAILED" not in run.run_large_backfill(1_000, run_coarse_backfill)
        assert "FAILED: no message grows old" in run.run_large_backfill(
            5_000, partial(run_coarse_backfill, waits=False)
        )
