"""End to end: through Cognito and the queue, on the deployed template."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from onramp.local.stack import LocalStack
from tests.people import Town


@pytest.fixture
def town(stack: LocalStack) -> Iterator[Town]:
    """Nobody's faults outlive a test."""
    town = Town(stack)
    yield town
    town.stripe.clear()
    town.revenuecat.clear()
    stack.control.clear()
