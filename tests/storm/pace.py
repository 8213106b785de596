"""The shipped TokenBucket without waiting: it returns the wait. Counts what each limit held back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from onramp.adapters.pacing import TokenBucket
from onramp.domain.errors import RetryableError
from tests.storm.limits import INF


class Pace:
    """`rate` of objects a second, of which each stands for some users. `reached` counts by `name` who had to wait."""

    def __init__(
        self, name: str, rate: float, burst: float, patience: float, clock: Callable[[], float], reached: Counter[str]
    ) -> None:
        self.name, self._reached, self._wait = name, reached, 0.0
        self._bucket = TokenBucket(rate, max(1, int(burst)) if burst < INF else 1, patience, clock, self._note)

    def _note(self, seconds: float) -> None:
        self._wait = seconds

    def take(self) -> float:
        """Seconds until the turn. Raises RetryableError where that is more than the patience."""
        self._wait = 0.0
        try:
            self._bucket.take()
        except RetryableError:
            self._reached[self.name] += 1
            raise
        if self._wait:
            self._reached[self.name] += 1
        return self._wait
