"""AWS clients, made once per execution environment from one session, with timeouts that fit the caller's."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_events.client import EventBridgeClient
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_ssm.client import SSMClient

# Cognito gives the trigger 5 s, and botocore's defaults would wait 60 s for one read. Worst case: two attempts of
# 1.5 s and up to 1 s of backoff between them, and then PutEvents with 1.2 s, or not at all (`EMIT_NEEDS_MILLIS`).
TRIGGER_WRITE = Config(connect_timeout=0.5, read_timeout=1.0, retries={"mode": "standard", "total_max_attempts": 2})
TRIGGER_EMIT = Config(connect_timeout=0.5, read_timeout=0.7, retries={"mode": "standard", "total_max_attempts": 1})
EMIT_NEEDS_MILLIS = 1300

# The worker has a minute; its own queue repeats what these attempts do not mend.
WORKER = Config(
    connect_timeout=2.0,
    read_timeout=5.0,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=25,
)


def session() -> boto3.Session:
    return boto3.Session()


def dynamodb(session: boto3.Session, config: Config) -> DynamoDBClient:
    return session.client("dynamodb", config=config)


def events(session: boto3.Session, config: Config) -> EventBridgeClient:
    return session.client("events", config=config)


def sqs(session: boto3.Session, config: Config) -> SQSClient:
    return session.client("sqs", config=config)


def ssm(session: boto3.Session, config: Config) -> SSMClient:
    return session.client("ssm", config=config)


def now_millis() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000
