"""The one local stack of a test session: the real template, deployed to the embedded AWS.

Every function runs under its own role: the emulator enforces IAM unless ONRAMP_ENFORCE_IAM=0.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from onramp.local.stack import LocalStack


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    enforce = os.environ.get("ONRAMP_ENFORCE_IAM", "1") != "0"
    parameters = {
        "RetryBackoffBaseSeconds": "1",
        "VisibilityTimeoutSeconds": "5",
        "MaxReceiveCount": "4",
        "TrustedIdentityProviders": "Contoso@example.com",
        "StripeRequestsPerSecond": "1000",
        "RevenueCatRequestsPerMinute": "60000",
    }
    with LocalStack.start(enforce_iam=enforce, parameters=parameters) as running:
        yield running
