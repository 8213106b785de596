"""When a message should come back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

CAP_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """`base` seconds, doubling with every receive to 15 minutes; `jitter()` in [0, 1) spreads the upper half.

    With 60 receives the sum outlasts a six-hour outage several times over. Messages that failed together must not come
    back together, but never at once either: so half of each wait is certain.
    """

    base: float
    jitter: Callable[[], float]

    def delay(self, receive_count: int, asked: float | None) -> float:
        """Seconds. What the other side asked for is a floor, never shortened."""
        doubled = min(CAP_SECONDS, self.base * 2.0 ** min(max(receive_count - 1, 0), 32))
        return max(doubled * (0.5 + self.jitter() / 2), asked or 0.0)
