"""A storm far above the providers' limits, and six hours without Stripe. `make simulate` plays them larger."""

from __future__ import annotations

from tests.simulation.scale import HOUR, Report, storm


def all_is_well(report: Report) -> bool:
    everybody = report.ready == report.customers == report.users
    return everybody and report.owing == report.dead_letters == report.broken == 0


def test_a_storm_waits_in_the_queue_and_costs_each_provider_one_call_a_user() -> None:
    report = storm(2_000, within=60.0)
    assert all_is_well(report), report
    assert report.revenuecat_calls == report.users
    assert report.stripe_calls == report.users + report.too_many_requests
    # Two idle workers begin with a burst of ten each on top of their rate; after that nothing is refused.
    assert report.too_many_requests <= 20
    assert report.emissions_of_one_user <= 2


def test_six_hours_without_stripe_end_with_an_empty_dead_letter_queue() -> None:
    report = storm(40, within=600.0, outage=6 * HOUR)
    assert all_is_well(report), report
    assert report.revenuecat_calls == report.users
    assert report.stripe_calls < 50 * report.users
    assert report.emissions_of_one_user == 1
