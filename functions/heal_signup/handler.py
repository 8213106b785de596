"""Behind the queue of signups that the trigger could not record: heals each user; what fails is received again."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from onramp.adapters.sqs import message_in
from onramp.domain.errors import RetryableError
from onramp.observability import count, logger, report_failure
from onramp.usecases.heal import HealOutcome
from onramp.usecases.runs import Run
from onramp.wiring import clients, heal_signup

heal = heal_signup.build()


@logger.inject_lambda_context(log_event=False)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """One after another: two invocations with ten messages each stay below the pool's ListUsers quota."""
    run = Run(context.aws_request_id, context.get_remaining_time_in_millis, clients.LAST_START_MILLIS, _report)
    failed = [record["messageId"] for record in event["Records"] if not (run.may_go_on() and _healed(record, run))]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _healed(record: dict[str, Any], run: Run) -> bool:
    """False where the message must come back."""
    result = run.attempt(lambda: heal(message_in(record), run.correlation_id))
    if result is None:
        return False
    logger.info("signup looked at", sub=result.sub, outcome=result.outcome, cause=result.cause)
    count("Healed", int(result.outcome is HealOutcome.HEALED))
    return True


def _report(error: Exception) -> None:
    if isinstance(error, RetryableError):  # an outage: the message waits, and ends as a dead letter if it lasts
        logger.warning("will retry", code=error.code)
    else:
        report_failure("SignupHealBug", "bug", error)
