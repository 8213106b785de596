from __future__ import annotations

import pytest

from tests.infrastructure.translation import Translation


@pytest.fixture(scope="session")
def template() -> Translation:
    """All parameters have their defaults."""
    return Translation()
