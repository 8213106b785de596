"""Which certificates the worker trusts at an AWS endpoint: docs/performance.md has the reason for the short bundle."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.artifacts import host_artifacts
from tests.infrastructure.translation import Translation
from tests.tls_aws import TlsAws, trust

READ = """
import sys
sys.path.insert(0, sys.argv[1])
from functions.enrich_profile.handler import enrich
enrich.users.get("nia@example.com")
"""


@pytest.fixture
def artifact(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    return shutil.copytree(host_artifacts(tmp_path_factory)["enrich_profile"], tmp_path / "artifact")


def read(artifact: Path, aws: TlsAws, **settings: str) -> bool:
    """Whether a call after init succeeded."""
    environment = aws.environment() | Translation().settings("EnrichProfileFunction") | settings
    command = [sys.executable, "-I", "-S", "-c", READ, str(artifact)]
    return subprocess.run(command, env=environment, check=False, capture_output=True).returncode == 0


def test_amazons_roots_are_enough(artifact: Path, aws: TlsAws) -> None:
    trust(artifact / "botocore" / "cacert.pem", aws.certificate)
    assert read(artifact, aws)


def test_an_endpoint_with_another_root_is_trusted_by_the_whole_bundle(artifact: Path, aws: TlsAws) -> None:
    trust(artifact / "botocore" / "cacert-all.pem", aws.certificate)
    assert read(artifact, aws)


def test_the_providers_bundle_is_not_loaded_for_aws(artifact: Path, aws: TlsAws) -> None:
    """botocore's default, where certifi is installed: it has 140 roots, parsed for each new connection."""
    trust(artifact / "certifi" / "cacert.pem", aws.certificate)
    assert not read(artifact, aws)


def test_a_bundle_in_the_environment_has_priority(artifact: Path, aws: TlsAws) -> None:
    assert read(artifact, aws, AWS_CA_BUNDLE=str(aws.certificate))
