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

    def test_never_comes_back_sooner_than_asked(self) -> None:
        assert Backoff(15, lambda: 0.0).delay(1, 3600.0) == 3600
        assert Backoff(15, lambda: 1.0).delay(1, 2.0) == 15

    def test_sixty_receives_outlast_six_hours_at_the_least_jitter(self) -> None:
        backoff = Backoff(15, lambda: 0.0)
        assert sum(backoff.delay(n, None) for n in range(1, 60)) > 6 * 3600

    @pytest.mark.parametrize("receives", [-5, 0, 10**9])
    def test_any_receive_count_will_do(self, receives: int) -> None:
        assert 0 < Backoff(15, lambda: 0.5).delay(receives, None) <= 900


@dataclass
class Time:
    now: float = 100.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class TestTokenBucket:
    def test_a_burst_passes_and_then_the_rate_holds(self) -> None:
        time = Time()
        bucket = TokenBucket(2.0, 10, 20.0, lambda: time.now, time.sleep)
        for _ in range(10):
            bucket.take()
        assert time.slept == []
        bucket.take()
        bucket.take()
        assert time.slept == pytest.approx([0.5, 0.5])

    def test_it_fills_again_but_never_beyond_its_burst(self) -> None:
        time = Time()
        bucket = TokenBucket(2.0, 3, 20.0, lambda: time.now, time.sleep)
        for _ in range(2):
            time.now += 1000
            for _ in range(3):
                bucket.take()
        assert time.slept == []
        bucket.take()
        assert time.slept == pytest.approx([0.5])

    def test_who_would_wait_too_long_is_sent_back_with_the_delay_and_takes_no_turn(self) -> None:
        time = Time()
        bucket = TokenBucket(0.1, 1, 5.0, lambda: time.now, time.sleep)
        bucket.take()
        for _ in range(3):
            with pytest.raises(RetryableError) as caught:
                bucket.take()
            assert caught.value.code == "paced"
            assert caught.value.delay == pytest.approx(10.0)
        time.now += 10
        bucket.take()
        assert time.slept == []
