"""Cognito's trigger: five seconds and one call for each signup. Attached to sign-ins too, this code refuses none."""

from __future__ import annotations

import gc
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from onramp.adapters.reply import encodable
from onramp.domain.errors import SignUpFailed
from onramp.observability import count, logger, report_failure
from onramp.usecases.heal import HealOutcome
from onramp.usecases.signup import SignedUp, SignUpOutcome
from onramp.usecases.trigger import Call, Failed, Healed, Refused, Report
from onramp.wiring import post_confirmation

trigger = post_confirmation.build()
gc.freeze()  # what exists now stays until the environment ends: no later collection has to look at it
gc.enable()


@logger.inject_lambda_context(log_event=False)
def handler(event: Any, context: LambdaContext) -> Any:
    if report := trigger(event, Call(context.aws_request_id, context.get_remaining_time_in_millis)):
        _publish(report)
        if isinstance(report, Refused | Failed) and not report.at_sign_in:
            raise SignUpFailed(context.aws_request_id)
    return encodable(event)


def _publish(report: Report) -> None:
    match report:
        case SignedUp(outcome=outcome, emit_error=emit_error):
            logger.info("signed up", outcome=outcome, sub=report.user.cognito_sub, emit_error=emit_error)
            count("SignedUp", int(outcome is not SignUpOutcome.RETRIED), outcome=outcome)
            count("EmitFailed", int(emit_error is not None), code=emit_error or "")
        case Healed(outcome=outcome, sub=sub):
            logger.info("sign-in of a user without a record", outcome=outcome, sub=sub)
            count("Healed", int(outcome is HealOutcome.HEALED))
        case Refused(cause, sub, at_sign_in=True):  # the refused signup was counted
            logger.info("sign-in of a refused user", cause=cause, sub=sub)
        case Refused(cause, sub):
            logger.warning("signup rejected", cause=cause, sub=sub)
            count("SignupRejected", cause=cause)
        case Failed(error, at_sign_in=True):
            report_failure("HealFailed", "record not written", error)
        case Failed(error, sub=sub, handed_over=handed_over):
            report_failure("SignupFailed", "record not written", error)
            logger.warning("handed over" if handed_over else "left to the sweep", sub=sub)
