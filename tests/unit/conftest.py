"""Unit tests open no socket: a test that needs one belongs in another folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_socket import disable_socket, enable_socket

from tests.pipeline import InMemoryPipeline


@pytest.fixture(autouse=True)
def _no_sockets() -> Iterator[None]:
    disable_socket(allow_unix_socket=True)
    yield
    enable_socket()


@pytest.fixture
def pipeline() -> Iterator[InMemoryPipeline]:
    with InMemoryPipeline() as pipeline:
        yield pipeline
