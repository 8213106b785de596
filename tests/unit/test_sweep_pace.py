"""The sweep follows the size of the pool: it ends within a day, below a fifth of the quota, and tells its age."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from onramp.adapters.pacing import TokenBucket
from onramp.domain.claims import PoolUser
from onramp.domain.decision import Listed
from onramp.domain.errors import TokenExpired
from onramp.domain.users import User
from onramp.usecases.runs import Run
from onramp.usecases.sweep import Page, Sweep, SweepCheckpoint
from tests.fakes import VirtualClock
from tests.pipeline import OPERATIONS, POOL, InMemoryPipeline

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
PAGE = 60


class Unconfirmed(list[Listed]):
    """The users of a full page. It yields one of them only, because a large pool has 333,334 pages."""

    def __len__(self) -> int:
        return PAGE


ONE_PAGE = Unconfirmed([Listed(PoolUser(POOL, {}, "UNCONFIRMED"), 0)])


class BigPool:
    """A pool of `users` users, read page by page; a call takes 50 ms, as on AWS. Its tokens are page numbers."""

    def __init__(self, users: int, clock: VirtualClock, expires_at: int = -1) -> None:
        self.users, self.clock, self.expires_at = users, clock, expires_at
        self.calls: list[float] = []

    def page(self, user_pool_id: str, token: str | None) -> Page:
        self.clock.advance(0.05)
        self.calls.append(self.clock())
        number = int(token or 0) + 1
        if number == self.expires_at:
            self.expires_at = -1
            raise TokenExpired
        last = number * PAGE >= self.users
        return Page(ONE_PAGE, None if last else str(number))


class Progress:
    def __init__(self) -> None:
        self.checkpoint = SweepCheckpoint()

    def load(self, user_pool_id: str) -> SweepCheckpoint:
        return self.checkpoint

    def save(self, user_pool_id: str, checkpoint: SweepCheckpoint) -> None:
        self.checkpoint = checkpoint


class NoRecords:
    def get_many(self, user_ids: Sequence[str]) -> Mapping[str, User]:
        return {}


class Sweeping:
    """A run of 240 seconds every five minutes."""

    def __init__(self, users: int, **pool: int) -> None:
        self.clock, self.users = VirtualClock(), users
        self.pool, self.progress = BigPool(users, self.clock, **pool), Progress()
        no_heal: Any = None
        pace = TokenBucket(6, 1, 10.0, self.clock, self.clock.advance).take
        self.sweep = Sweep(self.pool, self.progress, NoRecords(), no_heal, self._millis, pace, pages=20, grace=0)

    def _millis(self) -> int:
        return round(self.clock() * 1000)

    def run(self) -> Any:
        start, end = self.clock(), self.clock() + 240
        run = Run("id", lambda: round((end - self.clock()) * 1000), 30_000, lambda error: None)
        swept = self.sweep(POOL, run, self.users)
        assert self.clock() < end
        self.clock.advance(max(0.0, start + 300 - self.clock()))
        return swept

    def until_whole(self, limit: float = 3 * DAY) -> float:
        """Seconds until a whole sweep has ended."""
        began = self.clock()
        while self.run().whole_pool is None:
            assert self.clock() < began + limit
        return self.clock() - began


@pytest.mark.parametrize(
    ("users", "hours"), [(10_000, 1), (1_000_000, 21), (20_000_000, 24)], ids=lambda value: str(value)
)
def test_a_sweep_ends_within_a_day(users: int, hours: int) -> None:
    assert Sweeping(users).until_whole() <= hours * HOUR


def test_a_sweep_stays_below_a_fifth_of_the_quota() -> None:
    sweeping = Sweeping(20_000_000)
    for _ in range(3):
        sweeping.run()
    calls = sweeping.pool.calls
    assert len(calls) > 60, "the pace is tested, not the number of pages"
    assert all(later - first >= 1.0 for first, later in zip(calls, calls[7:], strict=False)), "at most 6 in any second"


def test_failed_runs_are_made_up_for() -> None:
    sweeping = Sweeping(1_000_000)
    for _ in range(24):
        sweeping.run()
    sweeping.clock.advance(4 * HOUR)
    assert sweeping.until_whole() + 6 * HOUR <= DAY


def test_an_expired_token_starts_the_sweep_again_and_its_age_shows_it() -> None:
    sweeping = Sweeping(1_000_000, expires_at=10_000)
    assert sweeping.until_whole() > DAY, "more than half of the pool was read twice"
    swept = sweeping.run()
    assert swept.age <= 6 * MINUTE * 1000


class TestTheAge:
    def reconcile_for(self, pipeline: InMemoryPipeline, hours: float) -> None:
        pipeline.clock.advance(hours * HOUR)
        pipeline.reconcile()

    def test_is_the_time_since_the_last_whole_sweep(self, pipeline: InMemoryPipeline) -> None:
        pipeline.configure(SWEEP_PAGES="1")
        for number in range(300):
            sub = str(uuid.UUID(int=number))
            pipeline.cognito.add_user(sub, {"sub": sub, "email": f"u{number}@example.com"}, "UNCONFIRMED")
        pipeline.reconcile()
        assert pipeline.metric("SweepAgeSeconds") == 0
        pipeline.cognito.list_lag = 1e9  # an outage of ListUsers: nothing is listed, and the token expires
        pipeline.inject_faults("cognito-idp", lambda _, __, name: "refused" if name == "list_users" else None)
        self.reconcile_for(pipeline, 50)
        assert pipeline.metric("ReconcileCompleted") == 0
        pipeline.stop_faults("cognito-idp")
        pipeline.cognito.list_lag = 0
        pipeline.cognito.most_listed = 10
        self.reconcile_for(pipeline, 1)
        assert pipeline.metric("SweepAgeSeconds") == 51 * HOUR, "the token has expired: the sweep starts again"

    def test_counts_from_the_first_run_of_a_row_of_an_older_release(self, pipeline: InMemoryPipeline) -> None:
        row = {"pk": {"S": "SWEEP#pool"}, "sk": {"S": POOL}, "found": {"M": {}}, "token": {"S": "expired"}}
        pipeline.dynamodb.put_item(TableName=OPERATIONS, Item=row)
        pipeline.reconcile()
        assert pipeline.metric("SweepAgeSeconds") == 0
        assert pipeline.metric("ReconcileCompleted") == 1
