"""The pool sweep: reads all users of a pool, a bounded number of pages a run, and heals those without a record.

Safe to run twice at once and to die anywhere: healing is the trigger's conditional write, and a page swept twice
finds its users healed. The checkpoint only saves work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from onramp.domain.claims import PoolUser
from onramp.domain.decision import CONFIRMED, Decision, Kind, Listed, kind_of
from onramp.domain.errors import Rejection, RetryableError, TokenExpired
from onramp.domain.users import User
from onramp.usecases.heal import Heal, HealOutcome
from onramp.usecases.runs import Run

TOO_YOUNG = "too_young"


@dataclass(frozen=True, slots=True)
class Page:
    users: Sequence[Listed]
    next_token: str | None


@dataclass(frozen=True, slots=True)
class SweepCheckpoint:
    """How far a sweep has come. `token` None: at the start. `found` counts the users so far, by label."""

    token: str | None = None
    found: Mapping[str, int] = field(default_factory=dict)


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

    Every sweep counts the same users again: publish them as gauges.
    """

    healed: int
    whole_pool: Mapping[str, int] | None

    @property
    def refused(self) -> int:
        return sum(count for label, count in (self.whole_pool or {}).items() if kind_of(label) is Kind.REFUSED)


@dataclass(frozen=True, slots=True)
class Sweep:
    """Reads `pages` pages a run; users changed less than `grace` milliseconds ago are left to trigger and index."""

    pool: Pool
    progress: SweepProgress
    records: Records
    heal: Heal
    clock: Callable[[], int]
    pages: int
    grace: int

    def __call__(self, user_pool_id: str, run: Run) -> Swept:
        """Raises RetryableError; the pages swept before it are saved."""
        healed = 0
        checkpoint = self.progress.load(user_pool_id)
        for _ in range(self.pages):
            if not run.may_go_on():
                break
            try:
                page = self.pool.page(user_pool_id, checkpoint.token)
            except TokenExpired:
                checkpoint = SweepCheckpoint()
                self.progress.save(user_pool_id, checkpoint)
                continue
            counts = self._sweep_page(page, run)
            healed += counts[HealOutcome.HEALED]
            found = Counter(checkpoint.found) + counts
            checkpoint = SweepCheckpoint(page.next_token, found) if page.next_token else SweepCheckpoint()
            self.progress.save(user_pool_id, checkpoint)
            if page.next_token is None:
                return Swept(healed, found)
        return Swept(healed, None)

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
