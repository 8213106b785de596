"""The delay before a message comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

CAP_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """`base` seconds, doubling with every receive to 15 minutes; `jitter()` in [0, 1) spreads the upper half.

    With 60 receives the delays add up to several times a six-hour outage. The jitter spreads messages that failed
    together; at least half of each delay is certain, so none comes back at once.
    """

    base: float
    jitter: Callable[[], float]

    def delay(self, receive_count: int, asked: float | None) -> float:
        """Seconds. `asked`, the delay that the other side requested, is a minimum."""
        doubled = min(CAP_SECONDS, self.base * 2.0 ** min(max(receive_count - 1, 0), 32))
        return max(doubled * (0.5 + self.jitter() / 2), asked or 0.0)
