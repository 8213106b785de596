from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.artifacts import host_artifacts
from tests.infrastructure.translation import Translation, with_defaults
from tests.tls_aws import TlsAws, tls_aws


@pytest.fixture(scope="session")
def template() -> Translation:
    return with_defaults()


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsAws]:
    """AWS on loopback, over TLS."""
    with tls_aws(tmp_path_factory.mktemp("aws")) as aws:
        yield aws


@pytest.fixture(scope="session")
def trigger_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For the Python that runs the tests; to be read only."""
    return host_artifacts(tmp_path_factory)["post_confirmation"]
