"""The worker behind the provisioning queue: records side by side, one that fails fails alone."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.typing import LambdaContext

from onramp.adapters.secrets import SecretUnreadable
from onramp.domain.errors import KeyRejected, RetryableError
from onramp.observability import count, logger, place_of
from onramp.usecases.messages import RETRIES_EXHAUSTED, Message, MessageOutcome, Result, RetryLater
from onramp.wiring import clients, enrich_profile

enrich = enrich_profile.build()
records = clients.threads(enrich_profile.BATCH, "record")
# A provider's outage fails every record of a batch; raising then would look like a fault of the code.
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@logger.inject_lambda_context(log_event=False)
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    futures = {record["messageId"]: records.submit(_enrich, record) for record in event["Records"]}
    return process_partial_response(
        event=event,
        record_handler=lambda record: _report(futures[record.message_id]),
        processor=processor,
        context=context,
    )


def _enrich(record: Mapping[str, Any]) -> Result:
    attributes = record["attributes"]
    return enrich(
        Message(
            body=record["body"],
            receipt_handle=record["receiptHandle"],
            receive_count=int(attributes["ApproximateReceiveCount"]),
            first_received_at=int(attributes["ApproximateFirstReceiveTimestamp"]),
        )
    )


def _report(future: Future[Result]) -> None:
    """Says what became of one record; what it raises is the record's failure. Runs in the main thread only."""
    try:
        result = future.result()
    except RetryLater as later:
        logger.warning("will retry", step=later.error.step, code=later.error.code, delay=later.delay, sub=later.sub)
        count(_retry_metric(later.error), code=later.error.code)
        raise
    except Exception as error:
        logger.error("bug", place=place_of(error))
        count("WorkerBug", code=type(error).__name__)
        raise
    logger.info(result.outcome, sub=result.sub, step=result.step, reason=result.reason)
    if result.outcome is MessageOutcome.DEAD_LETTERED:
        exhausted = result.reason == RETRIES_EXHAUSTED
        count("RetriesExhausted" if exhausted else "PermanentFailure", reason=str(result.reason))


def _retry_metric(error: RetryableError) -> str:
    match error:
        case KeyRejected():
            return "ProviderKeyRejected"
        case SecretUnreadable():
            return "SecretUnreadable"
    return "Retried"
