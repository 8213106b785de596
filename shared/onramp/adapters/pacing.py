"""Provider limits are paced, not hit: a storm waits in the queue instead of burning receives on 429s."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from onramp.domain.errors import RetryableError


@dataclass(slots=True)
class TokenBucket:
    """`rate` calls a second with a burst of `burst`; a call that would wait longer than `patience` is sent back.

    `clock` gives monotonic seconds. A caller takes its turn under the lock and waits outside it, so turns are fair.
    """

    rate: float
    burst: int
    patience: float
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    _empty_at: float = field(default=float("-inf"), init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def take(self) -> None:
        """Returns when the call may be made. Raises RetryableError `paced` with the delay where that is too far."""
        with self._lock:
            now = self.clock()
            # The bucket is a point in time: full `burst / rate` after it ran empty, in debt before.
            turn = max(self._empty_at, now - self.burst / self.rate) + 1 / self.rate
            if (wait := turn - now) > self.patience:
                raise RetryableError("paced", delay=wait)
            self._empty_at = turn
        if wait > 0:
            self.sleep(wait)
