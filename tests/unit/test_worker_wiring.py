"""The worker as its wiring builds it."""

from __future__ import annotations

from pathlib import Path

import pytest
from botocore.session import Session

from onramp.wiring import clients, connections, enrich_profile
from tests.pipeline import InMemoryPipeline


@pytest.mark.parametrize("trusted", [True, False])
def test_an_endpoint_with_another_root_gets_the_whole_bundle(
    pipeline: InMemoryPipeline, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, trusted: bool
) -> None:
    session, amazon, every = Session(), tmp_path / "amazon.pem", tmp_path / "all.pem"
    every.touch()
    session.set_config_variable("ca_bundle", str(amazon))
    monkeypatch.setattr(session, "create_client", lambda service, **_: pipeline.aws[service])
    monkeypatch.setattr(clients, "ALL_ROOTS", every)
    monkeypatch.setattr(clients, "session", lambda: session)
    monkeypatch.setattr(connections, "open_connections", lambda _: lambda: trusted)
    enrich_profile.build()
    assert session.get_config_variable("ca_bundle") == str(amazon if trusted else every)
