"""The pool sweep: walks all users of a pool, a bounded number of pages a run, and heals who has no record.

Safe to run twice at once and to die anywhere: healing is the trigger's conditional write, and a page swept twice finds
its users healed. The checkpoint only saves work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from onramp.domain.claims import PoolUser
from onramp.domain.errors import Rejection, RetryableError
from onramp.domain.users import User
from onramp.usecases.heal import Heal, HealOutcome

CONFIRMED = ("CONFIRMED", "EXTERNAL_PROVIDER")
TOO_YOUNG = "too_young"
NOT_CONFIRMED = "not_confirmed"
FAILED = "failed"


class TokenExpired(RetryableError):
    """The page token is no longer good: start again from the first page."""

    def __init__(self) -> None:
        super().__init__("list_users_token_expired")


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of ListUsers; `modified_at` in Unix milliseconds."""

    person: PoolUser
    modified_at: int


@dataclass(frozen=True, slots=True)
class Page:
    users: Sequence[Listed]
    next_token: str | None


@dataclass(frozen=True, slots=True)
class SweepCheckpoint:
    """Where a sweep stands. `token` None: at the start. `found` counts users by what became of them so far."""

    token: str | None = None
    found: Mapping[str, int] = field(default_factory=dict)


class Pool(Protocol):
    def page(self, user_pool_id: str, token: str | None) -> Page:
        """Raises TokenExpired, RetryableError."""


class SweepProgress(Protocol):
    def load(self, user_pool_id: str) -> SweepCheckpoint: ...
    def save(self, user_pool_id: str, checkpoint: SweepCheckpoint) -> None: ...


class ManyRecords(Protocol):
    def get_many(self, user_ids: Sequence[str]) -> Mapping[str, User]: ...


@dataclass(frozen=True, slots=True)
class Swept:
    """What one run did: users it healed, and what a whole sweep has found, if this run finished one."""

    healed: int
    whole_pool: Mapping[str, int] | None


@dataclass(frozen=True, slots=True)
class Sweep:
    """`pages` a run; users changed less than `grace` milliseconds ago are left to trigger and index."""

    pool: Pool
    checkpoints: SweepProgress
    records: ManyRecords
    heal: Heal
    clock: Callable[[], int]
    pages: int
    grace: int

    def __call__(
        self,
        user_pool_id: str,
        *,
        correlation_id: str,
        may_go_on: Callable[[], bool],
        on_bug: Callable[[Exception], None],
    ) -> Swept:
        """Raises RetryableError; what was swept until then is saved. `on_bug` hears of what nobody foresaw."""
        healed = 0
        checkpoint = self.checkpoints.load(user_pool_id)
        for _ in range(self.pages):
            if not may_go_on():
                break
            try:
                page = self.pool.page(user_pool_id, checkpoint.token)
            except TokenExpired:
                checkpoint = SweepCheckpoint()
                self.checkpoints.save(user_pool_id, checkpoint)
                continue
            swept = self._swept(page, correlation_id, on_bug)
            healed += swept[HealOutcome.HEALED]
            found = Counter(checkpoint.found) + swept
            checkpoint = SweepCheckpoint(page.next_token, found) if page.next_token else SweepCheckpoint()
            self.checkpoints.save(user_pool_id, checkpoint)
            if page.next_token is None:
                return Swept(healed, found)
        return Swept(healed, None)

    def _swept(self, page: Page, correlation_id: str, on_bug: Callable[[Exception], None]) -> Counter[str]:
        old_enough = self.clock() - self.grace
        confirmed = [listed for listed in page.users if listed.person.status in CONFIRMED]
        settled = [listed.person for listed in confirmed if listed.modified_at <= old_enough]
        known = self.records.get_many([person.email for person in settled if person.email])
        found = Counter(self._outcome(person, known, correlation_id, on_bug) for person in settled)
        found[NOT_CONFIRMED] += len(page.users) - len(confirmed)
        found[TOO_YOUNG] += len(confirmed) - len(settled)
        return found

    def _outcome(
        self, person: PoolUser, known: Mapping[str, User], correlation_id: str, on_bug: Callable[[Exception], None]
    ) -> str:
        """One stuck user must not stop the walk: it would keep all who come after from being healed, for ever."""
        try:
            return self.heal(person, read=known.get, correlation_id=correlation_id)
        except Rejection as rejection:
            return f"refused_{rejection.cause}"
        except RetryableError:
            return FAILED  # the next sweep finds them again
        except Exception as error:  # noqa: BLE001  # it is told
            on_bug(error)
            return FAILED
