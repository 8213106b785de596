"""Cognito's trigger. It has five seconds and one real chance: write the record, emit, answer."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from onramp.domain.errors import Rejection, RetryableError
from onramp.observability import count, logger, place_of
from onramp.wiring import clients, post_confirmation

admission, sign_up = post_confirmation.build()


class SignUpFailed(Exception):
    """Cognito shows this text to the user, the same for every cause: a reference for support, and nothing else."""

    def __init__(self, reference: str) -> None:
        super().__init__(f"We could not complete your sign-up. Please contact support and quote {reference}.")


@logger.inject_lambda_context(log_event=False)
def handler(event: Any, context: LambdaContext) -> Any:
    source = event.get("triggerSource") if isinstance(event, dict) else None
    if isinstance(source, str) and source != "PostConfirmation_ConfirmSignUp":
        return event  # a forgotten password, say: not a signup
    try:
        _sign_up(event, context)
    except Rejection as rejection:
        logger.warning("signup rejected", cause=rejection.cause, sub=rejection.sub)
        count("SignupRejected", cause=rejection.cause)
    except RetryableError as error:
        logger.error("record not written", code=error.code)
        count("SignupFailed", code=error.code)
    except Exception as error:  # noqa: BLE001  # the edge: whatever escapes here, Cognito would show to the user
        logger.error("bug", place=place_of(error))
        count("SignupFailed", code=type(error).__name__)
    else:
        return event
    raise SignUpFailed(context.aws_request_id)


def _sign_up(event: Any, context: LambdaContext) -> None:
    claim = admission.claim_from_event(event, clients.now_millis())
    done = sign_up(
        claim,
        correlation_id=context.aws_request_id,
        may_emit=lambda: context.get_remaining_time_in_millis() >= clients.EMIT_NEEDS_MILLIS,
    )
    logger.info("signed up", outcome=done.outcome, sub=claim.sub, emit_error=done.emit_error)
    if done.emit_error:
        count("EmitFailed", code=done.emit_error)
