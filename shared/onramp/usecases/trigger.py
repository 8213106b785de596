"""Cognito's triggers: a confirmation signs the user up; a sign-in gives a user without a record their record.

Errors are returned, not raised: Cognito would show the text of an escaping exception to the user.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from onramp.domain.claims import Admission, user_in
from onramp.domain.errors import Cause, Rejection
from onramp.usecases.heal import Heal, HealOutcome
from onramp.usecases.signup import SignedUp, SignUp

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
    """The record could not be written or read."""

    error: Exception
    at_sign_in: bool = False


Report = SignedUp | Healed | Refused | Failed


@dataclass(frozen=True, slots=True)
class Trigger:
    """`emit_needs`, `heal_needs`: the milliseconds that must be left to emit, or to write a record at a sign-in."""

    admission: Admission
    sign_up: SignUp
    heal: Heal
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
            return Failed(error)

    def _sign_in(self, event: Any, call: Call) -> Report | None:
        try:
            user = user_in(event)
            outcome = self.heal(
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
