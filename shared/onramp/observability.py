"""Logs and metrics: one JSON object a line, no personal data.

Values that come from a user never go into a log entry: causes, codes and counts do, and the sub where somebody must
be traced. An exception's text may quote its input, so only its type and place are logged.
"""

from __future__ import annotations

import logging
import traceback

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric

NAMESPACE = "Onramp"
logger = Logger()

# Below WARNING they write requests, replies and keys. They stay quiet whatever level the root logger is given.
for library in ("aws_lambda_powertools", "boto3", "botocore", "stripe", "urllib3"):
    logging.getLogger(library).setLevel(logging.WARNING)


def count(metric: str, value: int = 1, **details: str) -> None:
    """Publishes how often something happened; no line where it did not.

    A metric is a line of its own, so never call this from two threads at once. The only dimension is `service`: an
    alarm matches a dimension set exactly, so a detail as a dimension would make an alarm that can never fire. Details
    stand beside the number, for the log query.
    """
    if value:
        gauge(metric, value, **details)


def gauge(metric: str, value: int, **details: str) -> None:
    """Publishes how much of something there is, nothing included."""
    with single_metric(name=metric, unit=MetricUnit.Count, value=value, namespace=NAMESPACE) as entry:
        for name, text in details.items():
            entry.add_metadata(key=name, value=text)


def place_of(error: BaseException) -> str:
    """`ValueError at signup.py:42`: enough to find a bug, nothing of what it choked on."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return type(error).__name__
    return f"{type(error).__name__} at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}"
