"""The environment and the local stacks of a test session. Each stack is started once, by the first test that uses it.

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


NO_AWS = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def pytest_configure() -> None:
    """Removes the caller's AWS settings, for the tests and all processes that they start.

    A caller who works with a stack has its endpoint, profile, credentials or name exported: no test may use that stack.
    The variables of an outer make would change what a make of a test does and prints.
    """
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    for name in ("ONRAMP_STACK", "ONRAMP_DEBUG", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "STACK", "YES"):
        os.environ.pop(name, None)
    os.environ.update(NO_AWS)


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
