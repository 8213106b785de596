"""The signup use case: one conditional write, then the event.

The write also stores that the event is owed: after a crash between write and emission, the reconciler emits it. Called
by the trigger, the heal on sign-in, the pool sweep and the backfill.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from onramp.domain.errors import Cause, Rejection, RetryableError
from onramp.domain.event_data import Event, Origin, user_signed_up
from onramp.domain.users import Claim, Owed, User


class SignUpOutcome(StrEnum):
    CREATED = "created"
    LINKED = "linked"
    RETRIED = "retried"


@dataclass(frozen=True, slots=True)
class Written:
    """The claim was written. `before` is the pre-created record, None where there was none."""

    before: User | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The write's condition failed; `existing` is the record as it is stored."""

    existing: User


class ClaimStore(Protocol):
    def claim(self, claim: Claim) -> Written | Refused:
        """Writes the claim and what is owed in one conditional update, roles only where absent."""


class Publisher(Protocol):
    def publish(self, *events: Event) -> None:
        """Raises RetryableError unless the bus accepted every event."""


@dataclass(frozen=True, slots=True)
class SignedUp:
    """The outcome of a claim. `emit_error` is the code of a failed emission, which the reconciler repeats."""

    outcome: SignUpOutcome
    user: User
    emit_error: str | None = None


@dataclass(frozen=True, slots=True)
class SignUp:
    store: ClaimStore
    publisher: Publisher

    def __call__(
        self,
        claim: Claim,
        *,
        correlation_id: str,
        may_emit: Callable[[], bool] = lambda: True,
        origin: Origin = Origin.SIGNUP,
    ) -> SignedUp:
        """Raises Rejection where this identity may not have the record, RetryableError where the write failed.

        `may_emit` is called after the write: False where too little of the caller's time is left. A failed or skipped
        emission does not fail the signup: the record owes it.
        """
        outcome, user = self._settle(claim)
        if outcome is SignUpOutcome.RETRIED and not (user.owes(Owed.EMIT) and user.is_linked):
            return SignedUp(outcome, user)
        if not may_emit():
            return SignedUp(outcome, user, emit_error="out_of_time")
        try:
            self.publisher.publish(user_signed_up(user, correlation_id=correlation_id, origin=origin))
        except RetryableError as error:
            return SignedUp(outcome, user, emit_error=error.code)
        return SignedUp(outcome, user)

    def _settle(self, claim: Claim) -> tuple[SignUpOutcome, User]:
        match self.store.claim(claim):
            case Written(before=before):
                if before is None:
                    return SignUpOutcome.CREATED, claim.as_new_user()
                return SignUpOutcome.LINKED, before.linked_to(claim)
            case Refused(existing=existing) if existing.cognito_sub == claim.sub:
                # Cognito called again, or the SDK repeated a write whose reply was lost: the same user in both cases.
                return SignUpOutcome.RETRIED, existing
            case Refused(existing=User(cognito_sub=None)):
                raise Rejection(Cause.LINK_NEEDS_VERIFIED_EMAIL, claim.sub)
            case _:
                raise Rejection(Cause.LINKED_TO_ANOTHER_SUB, claim.sub)
