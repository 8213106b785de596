"""Logs and metrics: one JSON object a line, no personal data.

Values that come from a user never go into a log entry: causes, codes and counts do, and the sub where an operator must
be able to trace a user. An exception's text may quote its input, so only its type and place are logged.
"""

from __future__ import annotations

import logging
import traceback

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from onramp.domain.errors import RetryableError

NAMESPACE = "Onramp"
logger = Logger()

# Below WARNING these libraries log requests, replies and keys. They stay at WARNING at every level of the root logger.
for library in ("aws_lambda_powertools", "boto3", "botocore", "stripe", "urllib3"):
    logging.getLogger(library).setLevel(logging.WARNING)


def count(metric: str, value: int = 1, **details: str) -> None:
    """Publishes how often something happened; nothing where `value` is 0.

    A metric is a line of its own, so never call this from two threads at once. The only dimension is `service`: an
    alarm matches a dimension set exactly, so a detail as a dimension would make an alarm that can never fire. Details
    are metadata of the same line, for log queries.
    """
    if value:
        gauge(metric, value, **details)


def gauge(metric: str, value: int, **details: str) -> None:
    """Publishes an amount, 0 included."""
    with single_metric(name=metric, unit=MetricUnit.Count, value=value, namespace=NAMESPACE) as entry:
        for name, text in details.items():
            entry.add_metadata(key=name, value=text)


def report_failure(metric: str, message: str, error: Exception) -> None:
    """Logs and counts an error: a retryable one by its code, an unexpected one as `bug` by its type and place."""
    if isinstance(error, RetryableError):
        logger.error(message, code=error.code)
        count(metric, code=error.code)
    else:
        logger.error("bug", place=place_of(error))
        count(metric, code=type(error).__name__)


def place_of(error: BaseException) -> str:
    """`ValueError at signup.py:42`: enough to find a bug, without the input that caused it."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return type(error).__name__
    return f"{type(error).__name__} at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}"
