"""The local stacks of a test session. Each is started once, by the first test that uses it.

Every function runs with its own role: the emulator enforces IAM unless ONRAMP_ENFORCE_IAM=0.
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
    """template.yaml deployed to the AWS emulator, with intervals short enough for tests."""
    enforce = os.environ.get("ONRAMP_ENFORCE_IAM", "1") != "0"
    with LocalStack.start(enforce_iam=enforce, parameters=QUICK) as running:
        yield running


@pytest.fixture
def deployed(stack: LocalStack) -> Iterator[DeployedPipeline]:
    """The stack of the session; the faults that a test injects end with the test."""
    deployed = DeployedPipeline(stack)
    yield deployed
    deployed.stripe.clear()
    deployed.revenuecat.clear()
    stack.control.clear()


@pytest.fixture(scope="session")
def toy() -> Iterator[LocalStack]:
    """The toy stack, with IAM enforced: the tests of the local stack itself use it."""
    with LocalStack.start(enforce_iam=True, template=TEMPLATE, parameters={"Greeting": "good day"}) as running:
        yield running
