"""The pool sweep: reads all users of a pool, a bounded number of pages a run, and heals those without a record.

Safe to run twice at once and to die anywhere: healing is the trigger's conditional write, and a page swept twice
finds its users healed. The checkpoint only saves work.

Each run reads at least `pages` pages, and as many as a sweep needs that ends within `SWEEP_MILLIS`, by the pool's own
estimate of its users. Each page's token is new: Cognito's tokens age from page to page and not from the first page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from onramp.domain.claims import PoolUser
from onramp.domain.decision import CONFIRMED, Decision, Kind, Listed, kind_of
from onramp.domain.errors import Rejection, RetryableError, TokenExpired
from onramp.domain.users import User
from onramp.usecases.heal import Heal, HealOutcome
from onramp.usecases.runs import Run

TOO_YOUNG = "too_young"
SWEEP_MILLIS = 20 * 3_600_000
"""A whole sweep: a day, less four hours for runs that fail or are late."""


@dataclass(frozen=True, slots=True)
class Page:
    users: Sequence[Listed]
    next_token: str | None


@dataclass(frozen=True, slots=True)
class SweepCheckpoint:
    """How far a sweep has come. `token` None: at the start. `found` counts the users so far, by label.

    `started_at`, and `swept_at`, the end of the last whole sweep (before the first one: its start), in Unix
    milliseconds; 0 where the row has none.
    """

    token: str | None = None
    found: Mapping[str, int] = field(default_factory=dict)
    started_at: int = 0
    swept_at: int = 0

    def begun(self, now: int) -> SweepCheckpoint:
        return replace(self, started_at=self.started_at or now, swept_at=self.swept_at or now)

    def restarted(self, now: int) -> SweepCheckpoint:
        return SweepCheckpoint(started_at=now, swept_at=self.swept_at)

    def after(self, page: Page, counts: Counter[str], now: int) -> SweepCheckpoint:
        """Without a next page the sweep has ended, and the next one starts with the next run."""
        if page.next_token is None:
            return SweepCheckpoint(swept_at=now)
        return replace(self, token=page.next_token, found=Counter(self.found) + counts)

    def is_behind(self, users: int, now: int) -> bool:
        """Whether a steady sweep of `users` users, from its start to its end, would have read more of them by now."""
        return sum(self.found.values()) < users * (now - self.started_at) / SWEEP_MILLIS


class Pool(Protocol):
    def page(self, user_pool_id: str, token: str | None) -> Page:
        """Raises TokenExpired, RetryableError."""


class SweepProgress(Protocol):
    def load(self, user_pool_id: str) -> SweepCheckpoint: ...
    def save(self, user_pool_id: str, checkpoint: SweepCheckpoint) -> None: ...


class Records(Protocol):
    def get_many(self, user_ids: Sequence[str]) -> Mapping[str, User]: ...


@dataclass(frozen=True, slots=True)
class Swept:
    """The users that one run healed, and what a whole sweep found, if this run finished one: counts by label.

    Every sweep counts the same users again: publish them as gauges. `age`: milliseconds since the last whole sweep.
    """

    healed: int
    whole_pool: Mapping[str, int] | None
    age: int

    @property
    def refused(self) -> int:
        return sum(count for label, count in (self.whole_pool or {}).items() if kind_of(label) is Kind.REFUSED)


@dataclass(frozen=True, slots=True)
class Sweep:
    """Reads at least `pages` pages a run; users changed less than `grace` milliseconds ago are left to the trigger.

    `pace` returns when the next page may be read.
    """

    pool: Pool
    progress: SweepProgress
    records: Records
    heal: Heal
    clock: Callable[[], int]
    pace: Callable[[], None]
    pages: int
    grace: int

    def __call__(self, user_pool_id: str, run: Run, estimated_users: int) -> Swept:
        """Raises RetryableError; the pages swept before it are saved."""
        healed, pages = 0, 0
        checkpoint = self.progress.load(user_pool_id).begun(self.clock())
        while run.may_go_on() and (pages < self.pages or checkpoint.is_behind(estimated_users, self.clock())):
            pages += 1
            page = self._page(user_pool_id, checkpoint.token)
            if page is None:
                checkpoint = checkpoint.restarted(self.clock())
            else:
                counts = self._sweep_page(page, run)
                healed += counts[HealOutcome.HEALED]
                found = Counter(checkpoint.found) + counts
                checkpoint = checkpoint.after(page, counts, self.clock())
            self.progress.save(user_pool_id, checkpoint)
            if page and page.next_token is None:
                return Swept(healed, found, 0)
        return Swept(healed, None, max(0, self.clock() - checkpoint.swept_at))

    def _page(self, user_pool_id: str, token: str | None) -> Page | None:
        """None where the token has expired."""
        self.pace()
        try:
            return self.pool.page(user_pool_id, token)
        except TokenExpired:
            return None

    def _sweep_page(self, page: Page, run: Run) -> Counter[str]:
        changed_before = self.clock() - self.grace
        confirmed = [listed for listed in page.users if listed.user.status in CONFIRMED]
        settled = [listed.user for listed in confirmed if listed.modified_at <= changed_before]
        records = self.records.get_many([user.email for user in settled if user.email])
        counts = Counter(self._heal(user, records, run) for user in settled)
        counts[Kind.NOT_CONFIRMED.value] += len(page.users) - len(confirmed)
        counts[TOO_YOUNG] += len(confirmed) - len(settled)
        return counts

    def _heal(self, user: PoolUser, records: Mapping[str, User], run: Run) -> str:
        """The label. One user's error must not stop the sweep: all users after it would never be healed."""
        try:
            return self.heal(user, correlation_id=run.correlation_id, record_of=records.get).value
        except Rejection as rejection:
            return Decision(Kind.REFUSED, rejection.cause).label
        except RetryableError:
            return Kind.FAILED.value  # the next sweep finds the user again
        except Exception as error:  # noqa: BLE001  # reported, and the sweep goes on
            run.fail(error)
            return Kind.FAILED.value
