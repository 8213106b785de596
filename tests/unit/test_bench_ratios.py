"""The verdicts of make bench."""

from __future__ import annotations

import pytest

from tests.bench.ratios import Ratio, reached


@pytest.mark.parametrize(
    ("value", "spread", "verdict"),
    [
        (0.90, 0.1, "met"),
        (1.04, 0.1, "met within 5 %"),
        (1.20, 0.1, "MISSED"),
        (1.20, 0.3, "too noisy"),
        (2.00, 0.3, "MISSED"),
    ],
)
def test_a_ratio_and_its_target(value: float, spread: float, verdict: str) -> None:
    assert Ratio(value, spread).verdict(1.0) == verdict


def test_without_a_target_there_is_no_verdict() -> None:
    assert Ratio(9.0, 0.0).verdict(None) == ""


def test_rounds_are_compared_one_by_one() -> None:
    """A machine that is twice as slow in one round measures the same."""
    assert Ratio.of([2.0, 4.0, 2.0], [1.0, 2.0, 1.0]) == Ratio(2.0, 0.0)


def test_a_rate_is_reached_within_five_percent() -> None:
    assert [reached(rate, 100) for rate in (120, 96, 90)] == [True, True, False]
