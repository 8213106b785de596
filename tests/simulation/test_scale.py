"""A storm far above the providers' limits, and six hours without Stripe. `make simulate` plays them larger."""

from __future__ import annotations

from tests.simulation.scale import HOUR, storm


def test_a_storm_waits_in_the_queue_and_costs_each_provider_one_call_a_user() -> None:
    report = storm(2_000, within=60.0)
    assert report.falls_short(stripe_calls_each=1.01) == [], report
    assert report.stripe_calls == report.users + report.too_many_requests
    # Two idle workers begin with a burst of ten each on top of their rate; after that nothing is refused.
    assert report.too_many_requests <= 20


def test_six_hours_without_stripe_end_with_an_empty_dead_letter_queue() -> None:
    report = storm(40, within=600.0, outage=6 * HOUR)
    assert report.falls_short(stripe_calls_each=50) == [], report
    assert report.emissions_of_one_user == 1
