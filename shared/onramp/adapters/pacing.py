"""Keeps calls below a provider's rate limit: a peak waits in the queue instead of using up receives on 429s."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from onramp.domain.errors import RetryableError


@dataclass(slots=True)
class TokenBucket:
    """`rate` calls a second with a burst of `burst`; a call that would wait longer than `patience` seconds is refused.

    `clock` gives monotonic seconds. A caller reserves its time under the lock and waits outside it: first come, first
    served.
    """

    rate: float
    burst: int
    patience: float
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    _empty_at: float = field(default=float("-inf"), init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def take(self) -> None:
        """Returns when the call may be made. Raises RetryableError `paced` with the delay where that is too late."""
        with self._lock:
            now = self.clock()
            # The bucket is stored as the time at which it is empty: it is full `burst / rate` seconds after that.
            turn = max(self._empty_at, now - self.burst / self.rate) + 1 / self.rate
            if (wait := turn - now) > self.patience:
                raise RetryableError("paced", delay=wait)
            self._empty_at = turn
        if wait > 0:
            self.sleep(wait)
