"""Everything that reaches outside the process: AWS clients, threads, clock and randomness.

Clients are made once per execution environment from one session, with timeouts that fit the caller's. The simulator
replaces the functions of this module and of `wiring.http`, and nothing else.
"""

from __future__ import annotations

import random
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, cast

import botocore
from botocore.config import Config
from botocore.session import Session

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_events.client import EventBridgeClient
    from mypy_boto3_lambda.client import LambdaClient
    from mypy_boto3_sqs.client import SQSClient
    from mypy_boto3_ssm.client import SSMClient

AMAZON_ROOTS = Path(botocore.__file__).with_name("cacert.pem")
ALL_ROOTS = Path(botocore.__file__).with_name("cacert-all.pem")
"""scripts/build.py writes it, and leaves the roots of Amazon's endpoints in the other one: OpenSSL parses the bundle
for each new connection, and 127 roots take 17 ms."""

# Else botocore writes the text anew for each call: a tenth of the trigger's processor time.
USER_AGENT = "Onramp"

# Cognito waits 5 s for the trigger, and botocore's defaults wait 60 s for one read. Worst case here: two attempts of
# 1.5 s and up to 1 s of backoff between them, then PutEvents with 1.2 s, skipped below `EMIT_NEEDS_MILLIS`.
TRIGGER_WRITE = Config(
    connect_timeout=0.5,
    read_timeout=1.0,
    retries={"mode": "standard", "total_max_attempts": 2},
    user_agent=USER_AGENT,
)
TRIGGER_EMIT = Config(
    connect_timeout=0.5,
    read_timeout=0.7,
    retries={"mode": "standard", "total_max_attempts": 1},
    user_agent=USER_AGENT,
)
EMIT_NEEDS_MILLIS = 1300
# A sign-in waits for the heal: up to three reads of 1.2 s, and the write only with `HEAL_NEEDS_MILLIS` left.
SIGN_IN_READ = Config(connect_timeout=0.5, read_timeout=0.7, retries={"mode": "standard", "total_max_attempts": 1})
HEAL_NEEDS_MILLIS = 4200
# The reconciler starts no call with less time left: enough for the slowest call with its retries.
LAST_START_MILLIS = 30_000

# The worker has a minute; the queue repeats what still fails after these attempts.
WORKER = Config(
    connect_timeout=2.0,
    read_timeout=5.0,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=25,
)


def session() -> Session:
    """botocore's: boto3 makes the same clients from it, and its import is 8 % of the trigger's cold start."""
    session = Session()
    # Else botocore uses certifi's bundle where certifi is installed: the worker has it for the providers.
    if ALL_ROOTS.exists() and not session.get_config_variable("ca_bundle"):
        session.set_config_variable("ca_bundle", str(AMAZON_ROOTS))
    return session


def trust_all_roots(session: Session) -> None:
    """For an endpoint whose certificate has another root than Amazon's."""
    if ALL_ROOTS.exists():
        session.set_config_variable("ca_bundle", str(ALL_ROOTS))


def dynamodb(session: Session, config: Config) -> DynamoDBClient:
    return cast("DynamoDBClient", session.create_client("dynamodb", config=config))


def events(session: Session, config: Config) -> EventBridgeClient:
    return cast("EventBridgeClient", session.create_client("events", config=config))


def cognito(session: Session, config: Config) -> CognitoIdentityProviderClient:
    return cast("CognitoIdentityProviderClient", session.create_client("cognito-idp", config=config))


def lambda_(session: Session, config: Config) -> LambdaClient:
    return cast("LambdaClient", session.create_client("lambda", config=config))


def sqs(session: Session, config: Config) -> SQSClient:
    return cast("SQSClient", session.create_client("sqs", config=config))


def ssm(session: Session, config: Config) -> SSMClient:
    return cast("SSMClient", session.create_client("ssm", config=config))


def now_millis() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


def monotonic() -> float:
    """Seconds, for waiting."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def chance() -> float:
    """In [0, 1). It spreads retries; nothing secret depends on it."""
    return random.random()  # noqa: S311


def threads(count: int, name: str) -> Executor:
    return ThreadPoolExecutor(max_workers=count, thread_name_prefix=name)
