"""Heals a confirmed user who has no record: the trigger's own rules, applied later.

Cognito calls PostConfirmation once. Where that call failed, the pool sweep finds the user, or the next sign-in does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from onramp.domain.claims import Admission, PoolUser
from onramp.domain.event_data import Origin
from onramp.domain.users import User
from onramp.usecases.signup import SignUp


class HealOutcome(StrEnum):
    HAS_RECORD = "has_record"
    EMAIL_CHANGED = "email_changed"
    FORGOTTEN = "forgotten"
    HEALED = "healed"
    NO_TIME = "no_time"


class Records(Protocol):
    def get(self, user_id: str) -> User | None: ...

    def holder_of(self, sub: str) -> str | None:
        """The `userId` of the record a sub is linked to, by index: it may lag behind a write by seconds."""


@dataclass(frozen=True, slots=True)
class Heal:
    """`forgotten` tells whether an operator has erased a sub: the pool may know it for longer than we may."""

    admission: Admission
    records: Records
    forgotten: Callable[[str], bool]
    sign_up: SignUp
    clock: Callable[[], int]

    def __call__(
        self,
        person: PoolUser,
        *,
        read: Callable[[str], User | None] | None = None,
        correlation_id: str,
        may_write: Callable[[], bool] = lambda: True,
        may_emit: Callable[[], bool] = lambda: True,
    ) -> HealOutcome:
        """One read for whoever has a record. Raises Rejection, RetryableError.

        `read` replaces the read by e-mail, for a caller that has read a whole page of records at once.
        """
        if person.sub and (health := self._has_record(person.sub, person.email, read or self.records.get)):
            return health
        claim = self.admission.claim(person, self.clock())
        if self.forgotten(claim.sub):
            return HealOutcome.FORGOTTEN
        if not may_write():
            return HealOutcome.NO_TIME
        self.sign_up(claim, correlation_id=correlation_id, may_emit=may_emit, origin=Origin.RECONCILE)
        return HealOutcome.HEALED

    def _has_record(self, sub: str, email: str | None, read: Callable[[str], User | None]) -> HealOutcome | None:
        """An e-mail may change in Cognito: the sub's own record counts, wherever it is, and never becomes a second."""
        if email and (user := read(email)) and user.cognito_sub == sub:
            return HealOutcome.HAS_RECORD
        holder = self.records.holder_of(sub)
        if holder is None:
            return None
        return HealOutcome.HAS_RECORD if holder == email else HealOutcome.EMAIL_CHANGED
