from __future__ import annotations

import pytest

from tests.infrastructure.translation import Translation, with_defaults


@pytest.fixture(scope="session")
def template() -> Translation:
    return with_defaults()
