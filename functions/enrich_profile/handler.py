"""The worker behind the provisioning queue: the records of a batch run side by side, and each fails alone."""

from __future__ import annotations

import gc
from concurrent.futures import Future
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.typing import LambdaContext

from onramp.adapters.sqs import message_in
from onramp.domain.errors import RetryLater
from onramp.observability import count, logger, report_failure
from onramp.usecases.messages import Result
from onramp.wiring import clients, enrich_profile

enrich = enrich_profile.build()
records = clients.threads(enrich_profile.BATCH, "record")
# Raising when every record failed would count a provider's outage as an error of the function.
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
gc.freeze()  # what exists now stays until the environment ends: no later collection has to look at it
gc.enable()


@logger.inject_lambda_context(log_event=False)
def handler(event: dict[str, Any], context: LambdaContext) -> Any:
    # The processor asks for each result in the records' order, so that each is waited for, also those of a message that
    # is in the batch twice: no thread may outlive the invocation.
    results = iter([records.submit(_enrich, record) for record in event["Records"]])
    return process_partial_response(event, lambda record: _report(next(results)), processor, context)


def _enrich(record: dict[str, Any]) -> Result:
    return enrich(message_in(record))


def _report(future: Future[Result]) -> None:
    """Logs and counts what became of one record; what it raises is the record's failure. Main thread only."""
    try:
        result = future.result()
    except RetryLater as later:
        logger.warning("will retry", step=later.error.step, code=later.error.code, delay=later.delay, sub=later.sub)
        count(later.error.metric, code=later.error.code)
        raise
    except Exception as error:
        report_failure("WorkerBug", "bug", error)
        raise
    logger.info(result.outcome, sub=result.sub, step=result.step, reason=result.reason)
    if result.metric:
        count(result.metric, reason=str(result.reason))
    if result.refused_by_provider:
        count("ProviderRefused", step=str(result.step), reason=str(result.reason))
