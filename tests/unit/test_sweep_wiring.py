"""The sweep as deployed: it reads the estimate of the pool and keeps to the pace of the parameter."""

from __future__ import annotations

import pytest

from tests.pipeline import InMemoryPipeline

PAGES = 20  # SWEEP_PAGES of the pipeline
RUN = 240.0
LAST_START = 30.0  # clients.LAST_START_MILLIS


def calls_of_one_run(pipeline: InMemoryPipeline, estimate: int) -> list[float]:
    """When the run read a page. The pool never ends."""
    calls: list[float] = []

    def record(_: int, __: str, operation: str) -> None:
        if operation == "list_users":
            calls.append(pipeline.clock())

    pipeline.cognito.estimated_users = estimate
    pipeline.cognito.add_user("first", {}, "UNCONFIRMED")
    pipeline.cognito.empty_page = lambda number: True  # Cognito returns empty pages with a token
    pipeline.inject_faults("cognito-idp", record)
    pipeline.reconcile(timeout=RUN)
    assert pipeline.metric("ReconcileCompleted") == 1
    return calls


def test_a_run_reads_a_small_pool_by_its_smallest_number_of_pages(pipeline: InMemoryPipeline) -> None:
    assert len(calls_of_one_run(pipeline, estimate=0)) == PAGES


@pytest.mark.parametrize("rate", [6, 2])
def test_a_run_reads_a_large_pool_at_the_pace_of_the_parameter(pipeline: InMemoryPipeline, rate: int) -> None:
    pipeline.configure(SWEEP_MAX_REQUESTS_PER_SECOND=str(rate))
    calls = calls_of_one_run(pipeline, estimate=10_000_000)
    assert len(calls) == pytest.approx(rate * (RUN - LAST_START), abs=2)
    assert all(later - first >= 1.0 - 1e-6 for first, later in zip(calls, calls[rate:], strict=False))
