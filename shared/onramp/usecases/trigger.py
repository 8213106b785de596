"""Cognito's triggers: a confirmation signs the user up; a sign-in gives a user without a record their record.

A confirmation whose record could not be written is handed over with `SignupNotRecorded`: functions/heal_signup writes
the record later. Where that event fails too, the pool sweep finds the user.

Errors are returned, not raised: Cognito would show the text of an escaping exception to the user.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from onramp.domain.claims import Admission, user_in
from onramp.domain.errors import Cause, Rejection
from onramp.domain.event_data import signup_not_recorded
from onramp.usecases.heal import Heal, HealOutcome
from onramp.usecases.signup import Publisher, SignedUp, SignUp

CONFIRMATION = "PostConfirmation_ConfirmSignUp"
SIGN_IN = "PostAuthentication_Authentication"


@dataclass(frozen=True, slots=True)
class Call:
    """One call by Cognito; `millis_left` until Lambda ends it."""

    correlation_id: str
    millis_left: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Healed:
    """A sign-in of a user without a record."""

    outcome: HealOutcome
    sub: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The rules refuse the user; nothing was written."""

    cause: Cause
    sub: str | None
    at_sign_in: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """The record could not be written or read. `handed_over`: `SignupNotRecorded` was published."""

    error: Exception
    at_sign_in: bool = False
    sub: str | None = None
    handed_over: bool = False


Report = SignedUp | Healed | Refused | Failed


@dataclass(frozen=True, slots=True)
class Trigger:
    """`heal` makes the use case of a sign-in.

    `emit_needs`, `heal_needs`: the milliseconds that must be left to emit, or to write a record at a sign-in.
    """

    admission: Admission
    sign_up: SignUp
    heal: Callable[[], Heal]
    publisher: Publisher
    clock: Callable[[], int]
    emit_needs: int
    heal_needs: int

    def __call__(self, event: Any, call: Call) -> Report | None:
        """None where there is nothing to do: a forgotten password, or a sign-in of a user who has a record."""
        source = event.get("triggerSource") if isinstance(event, dict) else None
        if source == SIGN_IN:
            return self._sign_in(event, call)
        if isinstance(source, str) and source != CONFIRMATION:
            return None
        return self._confirm(event, call)  # an event without a source is refused there: Cognito sends none such

    def _confirm(self, event: Any, call: Call) -> Report:
        try:
            claim = self.admission.claim(user_in(event), self.clock())
            return self.sign_up(
                claim,
                correlation_id=call.correlation_id,
                may_emit=lambda: call.millis_left() >= self.emit_needs,
            )
        except Rejection as rejection:
            return Refused(rejection.cause, rejection.sub)
        except Exception as error:  # noqa: BLE001
            return self._hand_over(event, call, error)

    def _hand_over(self, event: Any, call: Call, error: Exception) -> Failed:
        """Publishes `SignupNotRecorded` in the time that `UserSignedUp` would have had: the trigger's budget holds."""
        user = user_in(event)  # `_confirm` has read it before: it raises no Rejection
        pool, sub = user.user_pool_id, user.sub
        if not isinstance(pool, str) or pool not in self.admission.user_pool_ids or sub is None:
            return Failed(error)
        if call.millis_left() < self.emit_needs:
            return Failed(error, sub=sub)
        try:
            at, correlation_id = self.clock(), call.correlation_id
            self.publisher.publish(signup_not_recorded(sub, pool, at=at, correlation_id=correlation_id))
        except Exception:  # noqa: BLE001  # the sweep finds the user; the first error is the one to report
            return Failed(error, sub=sub)
        return Failed(error, sub=sub, handed_over=True)

    def _sign_in(self, event: Any, call: Call) -> Report | None:
        try:
            user = user_in(event)
            outcome = self.heal()(
                user,
                correlation_id=call.correlation_id,
                may_write=lambda: call.millis_left() >= self.heal_needs,
                may_emit=lambda: call.millis_left() >= self.emit_needs,
            )
        except Rejection as rejection:
            return Refused(rejection.cause, rejection.sub, at_sign_in=True)
        except Exception as error:  # noqa: BLE001
            return Failed(error, at_sign_in=True)
        return None if outcome is HealOutcome.HAS_RECORD else Healed(outcome, user.sub)
