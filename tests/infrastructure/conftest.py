from __future__ import annotations

import pytest

from tests.infrastructure.translation import Translation


@pytest.fixture(scope="session")
def template() -> Translation:
    """With every parameter at its default."""
    return Translation()
