"""Does the pool call the trigger, and may it? Without the check a detached trigger is silent."""

from __future__ import annotations

from typing import Any

from tests.pipeline import POOL, TRIGGER, InMemoryPipeline


def detached(pipeline: InMemoryPipeline) -> Any:
    """The metric, and the pools in the log."""
    pipeline.reconcile()
    logged = [line["pools"] for line in pipeline.log_lines() if line.get("message") == "the trigger is detached"]
    return pipeline.metric("TriggerDetached"), logged


def test_an_attached_trigger(pipeline: InMemoryPipeline) -> None:
    assert detached(pipeline) == (0, [])


def test_a_pool_without_a_trigger(pipeline: InMemoryPipeline) -> None:
    pipeline.cognito.triggers = {"PreSignUp": TRIGGER}
    assert detached(pipeline) == (1, [{POOL: "not_called"}])


def test_a_pool_that_calls_another_function(pipeline: InMemoryPipeline) -> None:
    pipeline.cognito.triggers = {"PostConfirmation": TRIGGER.removesuffix(":live")}
    assert detached(pipeline) == (1, [{POOL: "not_called"}])


def test_an_alias_without_a_policy(pipeline: InMemoryPipeline) -> None:
    pipeline.lambda_.sources.clear()
    assert detached(pipeline) == (1, [{POOL: "not_permitted"}])


def test_a_permission_for_another_pool(pipeline: InMemoryPipeline) -> None:
    pipeline.lambda_.sources[TRIGGER] = [f"{pipeline.cognito.arn}2"]
    assert detached(pipeline) == (1, [{POOL: "not_permitted"}])


def test_a_pool_that_cannot_be_described_is_a_failure(pipeline: InMemoryPipeline) -> None:
    pipeline.inject_faults("cognito-idp", "refused")
    assert detached(pipeline) == (None, [])
    assert pipeline.metric("ReconcileCompleted") == 0


def test_a_policy_that_cannot_be_read_is_a_failure_and_the_pool_is_swept(pipeline: InMemoryPipeline) -> None:
    pipeline.inject_faults("lambda", "refused")
    assert detached(pipeline) == (None, [])
    assert pipeline.metric("ReconcileCompleted") == 0
    assert pipeline.metric("SweepAgeSeconds") == 0
