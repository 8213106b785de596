from __future__ import annotations

import pytest

from tests.infrastructure.translation import Translation


@pytest.fixture(scope="session")
def template() -> Translation:
    """The template with every parameter at its default."""
    return Translation()
