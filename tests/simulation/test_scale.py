"""A burst far above the providers' rate limits, and six hours without Stripe. `make simulate` runs larger ones."""

from __future__ import annotations

from onramp.ops.common.queue_room import MOST_IN_QUEUE
from tests.simulation.bulk import run_backfill
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


def test_a_backfill_leaves_live_signups_their_usual_time_and_no_message_grows_old() -> None:
    """Without the wait the queue holds every user of the backfill: the last one, and each live signup, waits for all of
    them, 41 hours for a million users; the queue keeps a message for four days.
    """
    report = run_backfill(1_500, most=MOST_IN_QUEUE)
    assert report.found == {"create": report.users}
    assert report.ready == report.users + len(report.waits)
    assert report.owing == 0
    assert report.deepest <= MOST_IN_QUEUE + 20, "live signups come on top"
    seconds = MOST_IN_QUEUE / (400 / 60)  # RevenueCatRequestsPerMinute
    assert len(report.waits) > 5
    assert max(report.waits) < seconds + 15
    assert report.queue_age < seconds + 15
