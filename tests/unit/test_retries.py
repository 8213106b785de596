"""Backoff and pacing."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from onramp.adapters.pacing import TokenBucket
from onramp.domain.errors import RetryableError
from onramp.usecases.retries import Backoff


class TestBackoff:
    @pytest.mark.parametrize(("receives", "least", "most"), [(1, 7.5, 15), (2, 15, 30), (7, 450, 900), (60, 450, 900)])
    def test_doubles_to_a_quarter_of_an_hour(self, receives: int, least: float, most: float) -> None:
        assert Backoff(15, lambda: 0.0).delay(receives, None) == least
        assert Backoff(15, lambda: 1.0).delay(receives, None) == most

    def test_is_never_shorter_than_the_requested_delay(self) -> None:
        assert Backoff(15, lambda: 0.0).delay(1, 3600.0) == 3600
        assert Backoff(15, lambda: 1.0).delay(1, 2.0) == 15

    def test_sixty_receives_last_more_than_six_hours_at_minimum_jitter(self) -> None:
        backoff = Backoff(15, lambda: 0.0)
        assert sum(backoff.delay(n, None) for n in range(1, 60)) > 6 * 3600

    @pytest.mark.parametrize("receives", [-5, 0, 10**9])
    def test_any_receive_count_is_accepted(self, receives: int) -> None:
        assert 0 < Backoff(15, lambda: 0.5).delay(receives, None) <= 900


@dataclass
class Clock:
    now: float = 100.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class TestTokenBucket:
    def test_a_burst_passes_and_then_the_rate_applies(self) -> None:
        clock = Clock()
        bucket = TokenBucket(2.0, 10, 20.0, lambda: clock.now, clock.sleep)
        for _ in range(10):
            bucket.take()
        assert clock.slept == []
        bucket.take()
        bucket.take()
        assert clock.slept == pytest.approx([0.5, 0.5])

    def test_it_refills_up_to_its_burst(self) -> None:
        clock = Clock()
        bucket = TokenBucket(2.0, 3, 20.0, lambda: clock.now, clock.sleep)
        for _ in range(2):
            clock.now += 1000
            for _ in range(3):
                bucket.take()
        assert clock.slept == []
        bucket.take()
        assert clock.slept == pytest.approx([0.5])

    def test_a_wait_over_the_limit_raises_with_the_delay_and_takes_no_token(self) -> None:
        clock = Clock()
        bucket = TokenBucket(0.1, 1, 5.0, lambda: clock.now, clock.sleep)
        bucket.take()
        for _ in range(3):
            with pytest.raises(RetryableError) as caught:
                bucket.take()
            assert caught.value.code == "paced"
            assert caught.value.delay == pytest.approx(10.0)
        clock.now += 10
        bucket.take()
        assert clock.slept == []
