"""The shipped sweep over a pool of millions: how long a whole one takes. Each row of a page is an unconfirmed user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from onramp.adapters.cognito import PAGE
from onramp.adapters.pacing import TokenBucket
from onramp.domain.claims import PoolUser
from onramp.domain.decision import Listed
from onramp.domain.users import User
from onramp.usecases.runs import Run
from onramp.usecases.sweep import Page, Sweep, SweepCheckpoint
from onramp.wiring.clients import LAST_START_MILLIS
from onramp.wiring.reconcile import PATIENCE_SECONDS
from onramp.worker_settings import ReconcileSettings
from tests.fakes import VirtualClock
from tests.infrastructure.translation import with_defaults
from tests.storm.limits import Durations, Limits

POOL = "eu-west-1_Storm"


@dataclass
class PagedPool:
    """Pool, checkpoint and records of a sweep. The token is the number of users so far."""

    users: int
    clock: VirtualClock
    call: float
    requests: int = 0
    checkpoint: SweepCheckpoint | None = None

    def page(self, _pool: str, token: str | None) -> Page:
        self.clock.advance(self.call)
        self.requests += 1
        first = int(token or 0)
        last = min(first + PAGE, self.users)
        return Page([UNCONFIRMED] * (last - first), str(last) if last < self.users else None)

    def load(self, _pool: str) -> SweepCheckpoint:
        return self.checkpoint or SweepCheckpoint()

    def save(self, _pool: str, checkpoint: SweepCheckpoint) -> None:
        self.clock.advance(self.call)
        self.checkpoint = checkpoint

    def get_many(self, _ids: Sequence[str]) -> Mapping[str, User]:
        self.clock.advance(self.call)
        return {}


UNCONFIRMED = Listed(PoolUser(POOL, {}, "UNCONFIRMED"), 0)


@dataclass(frozen=True)
class SweepOutcome:
    """`requests` to ListUsers, `busiest` of them in one run."""

    users: int
    seconds: float
    requests: int
    busiest: int


def sweep(users: int, limits: Limits) -> SweepOutcome:
    """One whole sweep, in as many runs of the reconciler as it needs."""
    template = with_defaults()
    settings = ReconcileSettings.read(template.settings("ReconcileFunction"))
    timeout = float(template["ReconcileFunction"]["Timeout"])
    clock = VirtualClock()
    pool, began, busiest = PagedPool(users, clock, Durations().call), clock(), 0
    heal: Any = None  # no user of this pool is confirmed
    pace = TokenBucket(settings.sweep_max_requests_per_second, 1, PATIENCE_SECONDS, clock, clock.advance).take
    part = Sweep(pool, pool, pool, heal, lambda: int(clock() * 1000), pace, settings.sweep_pages, 0)
    while True:
        started, before = clock(), pool.requests
        run = Run("storm", partial(_millis_left, clock, started + timeout), LAST_START_MILLIS, _raise)
        found = part(POOL, run, users)
        busiest = max(busiest, pool.requests - before)
        if found.whole_pool is not None:
            return SweepOutcome(users, clock() - began, pool.requests, busiest)
        clock.now = started + limits.reconcile_every


def _millis_left(clock: VirtualClock, ends: float) -> int:
    return int((ends - clock()) * 1000)


def _raise(error: Exception) -> None:
    raise error
