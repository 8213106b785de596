"""The exact limits of waiting: the sweep's grace, a message's visibility, a provider's rate."""

from __future__ import annotations

import uuid

import pytest

from onramp.local.fakes.faults import Fault
from tests.pipeline import EMAIL, QUEUE, SUB, USERS, InMemoryPipeline


def in_pool(pipeline: InMemoryPipeline, email: str, sub: str) -> None:
    pipeline.cognito.add_user(sub, {"sub": sub, "email": email, "email_verified": "true"})


@pytest.mark.parametrize(("waited", "healed"), [(299.999, 0), (300.0, 1), (300.001, 1)])
def test_the_sweep_leaves_a_user_alone_for_five_minutes(pipeline: InMemoryPipeline, waited: float, healed: int) -> None:
    pipeline.clock.now = 1_790_000_000.0
    in_pool(pipeline, EMAIL, SUB)
    pipeline.clock.advance(waited)
    pipeline.reconcile()
    assert len(pipeline.dynamodb.rows(USERS)) == healed


def test_the_sweep_goes_on_from_the_latest_checkpoint(pipeline: InMemoryPipeline) -> None:
    """A read that is not consistent may show the checkpoint of the run before the last."""
    pipeline.configure(SWEEP_PAGES="1")
    for number in range(180):
        in_pool(pipeline, f"user{number}@example.com", str(uuid.UUID(int=number)))
    pipeline.clock.advance(3600)
    pipeline.dynamodb.read_lag = 30
    for _ in range(3):
        pipeline.reconcile()
    assert len(pipeline.dynamodb.rows(USERS)) == 180


@pytest.mark.parametrize("asked", [11 * 3600, 24 * 3600])
def test_a_message_waits_for_at_most_the_visibility_that_is_left(pipeline: InMemoryPipeline, asked: int) -> None:
    """SQS refuses more than twelve hours since the receive, and the message would be back after its default timeout."""
    pipeline.stripe.faults.add(Fault("rate_limited", seconds=asked))
    pipeline.sign_up(EMAIL, SUB)
    pipeline.inject_faults("events", "slow", slow_seconds=30)
    pipeline.inject_faults("dynamodb", "slow", slow_seconds=5)
    pipeline.run_worker()
    (message,) = pipeline.sqs.messages(QUEUE)
    assert pipeline.clock() > message.received
    assert message.visible_at - pipeline.clock() == min(asked, 11.75 * 3600)


@pytest.mark.parametrize(("per_minute", "seconds"), [("60", 1.0), ("400", 0.15)])
def test_revenuecats_rate_is_per_minute_and_shared_out(per_minute: str, seconds: float) -> None:
    with InMemoryPipeline() as pipeline:
        pipeline.configure(
            REVENUECAT_REQUESTS_PER_MINUTE=per_minute, STRIPE_REQUESTS_PER_SECOND="1000000", MAXIMUM_CONCURRENCY="1"
        )
        for number in range(20):
            pipeline.sign_up(f"user{number}@example.com", str(uuid.UUID(int=number)))
        started = pipeline.clock()
        pipeline.run_worker()
        assert len(pipeline.revenuecat.calls) == 20
        assert pipeline.clock() - started == pytest.approx(10 * seconds, rel=1e-3)


def test_an_index_that_lags_queues_no_user_twice(pipeline: InMemoryPipeline) -> None:
    """It still shows the time at which the user was due before the first run claimed the record."""
    pipeline.stripe.faults.add(Fault("server_error", times=None))
    pipeline.sign_up(EMAIL, SUB)
    pipeline.run_worker()
    pipeline.clock.advance(60)
    pipeline.sqs.settle(pipeline.sqs.lambda_batch(QUEUE), None)
    pipeline.clock.advance(13 * 3600)
    pipeline.dynamodb.read_lag = 30
    for _ in range(2):
        pipeline.reconcile()
    assert len(pipeline.sqs.messages(QUEUE)) == 1
