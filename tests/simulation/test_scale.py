"""A burst far above the providers' rate limits, and six hours without Stripe. `make simulate` runs larger ones."""

from __future__ import annotations

from tests.simulation.scale import HOUR, run_burst


def test_a_burst_waits_in_the_queue_and_costs_each_provider_one_call_per_user() -> None:
    report = run_burst(2_000, within=60.0)
    assert report.broken_promises(stripe_calls_each=1.01) == [], report
    assert report.stripe_calls == report.users + report.too_many_requests
    # Two idle workers begin with a burst of ten each on top of their rate; after that nothing is refused.
    assert report.too_many_requests <= 20


def test_six_hours_without_stripe_end_with_an_empty_dead_letter_queue() -> None:
    report = run_burst(40, within=600.0, outage=6 * HOUR)
    assert report.broken_promises(stripe_calls_each=50) == [], report
    assert report.emissions_of_one_user == 1
