"""The local stacks of a test session, each started once and only when a test asks for it.

Every function runs under its own role: the emulator enforces IAM unless ONRAMP_ENFORCE_IAM=0.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from onramp.local.stack import LocalStack
from tests.contracts.toy import TEMPLATE
from tests.deployed import DeployedPipeline

QUICK = {
    "RetryBackoffBaseSeconds": "1",
    "VisibilityTimeoutSeconds": "5",
    "MaxReceiveCount": "4",
    "TrustedIdentityProviders": "Contoso@example.com",
    "StripeRequestsPerSecond": "1000",
    "RevenueCatRequestsPerMinute": "60000",
    "SweepGraceSeconds": "0",
    "SweepPages": "50",
}


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    """template.yaml deployed to the embedded AWS, with times a test can wait for."""
    enforce = os.environ.get("ONRAMP_ENFORCE_IAM", "1") != "0"
    with LocalStack.start(enforce_iam=enforce, parameters=QUICK) as running:
        yield running


@pytest.fixture
def deployed(stack: LocalStack) -> Iterator[DeployedPipeline]:
    """Nobody's faults outlive a test."""
    deployed = DeployedPipeline(stack)
    yield deployed
    deployed.stripe.clear()
    deployed.revenuecat.clear()
    stack.control.clear()


@pytest.fixture(scope="session")
def toy() -> Iterator[LocalStack]:
    """The toy stack, with IAM enforced: what the local stack itself promises is tested on it."""
    with LocalStack.start(enforce_iam=True, template=TEMPLATE, parameters={"Greeting": "good day"}) as running:
        yield running
