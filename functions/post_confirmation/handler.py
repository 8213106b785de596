"""Cognito's trigger. It has five seconds and one real chance: write the record, emit, answer.

Wired to PostAuthentication as well (a parameter), it heals a user who has no record, and never blocks a sign-in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from onramp.domain.claims import user_in
from onramp.domain.errors import Rejection, RetryableError
from onramp.observability import count, logger, place_of
from onramp.usecases.heal import HealOutcome
from onramp.usecases.signup import SignUpOutcome
from onramp.wiring import clients, post_confirmation

trigger = post_confirmation.build()


class SignUpFailed(Exception):
    """Cognito shows this text to the user, the same for every cause: a reference for support, and nothing else."""

    def __init__(self, reference: str) -> None:
        super().__init__(f"We could not complete your sign-up. Please contact support and quote {reference}.")


@logger.inject_lambda_context(log_event=False)
def handler(event: Any, context: LambdaContext) -> Any:
    match event.get("triggerSource") if isinstance(event, dict) else None:
        case "PostConfirmation_ConfirmSignUp":
            confirmed = _succeeds(_sign_up, event, context, failed="SignupFailed")
        case "PostAuthentication_Authentication":
            _succeeds(_heal, event, context, failed="HealFailed")
            confirmed = True  # a sign-in is never blocked
        case str():
            confirmed = True  # a forgotten password, say: not a signup
        case _:
            confirmed = _succeeds(_sign_up, event, context, failed="SignupFailed")  # nothing that Cognito sends
    if not confirmed:
        raise SignUpFailed(context.aws_request_id)
    return event


def _succeeds(do: Callable[[Any, LambdaContext], None], event: Any, context: LambdaContext, failed: str) -> bool:
    """The edge: whatever escaped here, Cognito would show to the user."""
    try:
        do(event, context)
    except Rejection as rejection:
        logger.warning("signup rejected", cause=rejection.cause, sub=rejection.sub)
        count("SignupRejected", cause=rejection.cause)
    except RetryableError as error:
        logger.error("record not written", code=error.code)
        count(failed, code=error.code)
    except Exception as error:  # noqa: BLE001
        logger.error("bug", place=place_of(error))
        count(failed, code=type(error).__name__)
    else:
        return True
    return False


def _sign_up(event: Any, context: LambdaContext) -> None:
    claim = trigger.admission.claim(user_in(event), clients.now_millis())
    done = trigger.sign_up(
        claim,
        correlation_id=context.aws_request_id,
        may_emit=lambda: context.get_remaining_time_in_millis() >= clients.EMIT_NEEDS_MILLIS,
    )
    logger.info("signed up", outcome=done.outcome, sub=claim.sub, emit_error=done.emit_error)
    count("SignedUp", int(done.outcome is not SignUpOutcome.RETRIED), outcome=done.outcome)
    if done.emit_error:
        count("EmitFailed", code=done.emit_error)


def _heal(event: Any, context: LambdaContext) -> None:
    person = user_in(event)
    try:
        health = trigger.heal(
            person,
            correlation_id=context.aws_request_id,
            may_write=lambda: context.get_remaining_time_in_millis() >= clients.HEAL_NEEDS_MILLIS,
            may_emit=lambda: context.get_remaining_time_in_millis() >= clients.EMIT_NEEDS_MILLIS,
        )
    except Rejection as rejection:  # refused already when they signed up: no new case for the alarm
        logger.info("sign-in of a refused user", cause=rejection.cause, sub=rejection.sub)
        return
    if health is not HealOutcome.HAS_RECORD:
        logger.info("sign-in of a user without a record", outcome=health, sub=person.sub)
    count("Healed", int(health is HealOutcome.HEALED))
