"""Gives a confirmed user without a record the record that the trigger should have written, by the trigger's rules.

Cognito calls PostConfirmation once. If that call failed, the pool sweep finds the user, or the next sign-in does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from onramp.domain.claims import Admission, PoolUser
from onramp.domain.decision import Facts, Kind, decide
from onramp.domain.errors import Rejection
from onramp.domain.event_data import Origin
from onramp.domain.users import User
from onramp.usecases.signup import SignUp


class HealOutcome(StrEnum):
    HAS_RECORD = Kind.HAS_RECORD
    EMAIL_CHANGED = Kind.EMAIL_CHANGED
    FORGOTTEN = Kind.FORGOTTEN
    NOT_CONFIRMED = Kind.NOT_CONFIRMED
    HEALED = "healed"
    NO_TIME = "no_time"


@dataclass(frozen=True, slots=True)
class Heal:
    admission: Admission
    facts: Facts
    sign_up: SignUp
    clock: Callable[[], int]

    def __call__(
        self,
        user: PoolUser,
        *,
        correlation_id: str,
        record_of: Callable[[str], User | None] | None = None,
        may_write: Callable[[], bool] = lambda: True,
        may_emit: Callable[[], bool] = lambda: True,
    ) -> HealOutcome:
        """One read for a user who has a record. Raises Rejection, RetryableError.

        `record_of` replaces the read by e-mail, for a caller that has read a whole page of records at once.
        """
        facts = replace(self.facts, record_of=record_of) if record_of else self.facts
        decision = decide(self.admission, user, facts, self.clock())
        if decision.claim is None:
            if decision.cause:
                raise Rejection(decision.cause, user.sub)
            return HealOutcome(decision.kind)
        # Even where a record prevents it: that record may have changed since the read. The conditional write decides.
        if not may_write():
            return HealOutcome.NO_TIME
        self.sign_up(decision.claim, correlation_id=correlation_id, may_emit=may_emit, origin=Origin.RECONCILE)
        return HealOutcome.HEALED
