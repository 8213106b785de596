"""What the trigger's first signup after a cold start does not do any more: docs/performance.md has its time."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scripts.build import AMAZON_ROOTS

from tests.infrastructure.translation import ROOT, Translation
from tests.tls_aws import TlsAws, trust

FOREIGN = ("boto3", "pydantic", "stripe", "requests", "aws_xray_sdk")
PROBE = """
import json, os, ssl, sys
sys.path.insert(0, sys.argv[1])
answers, sys.stdout = sys.stdout, open(os.devnull, "w")
from functions.post_confirmation.handler import handler

at_init, seen = set(sys.modules), {"connections": 0, "bundles": 0}
load = ssl.SSLContext.load_verify_locations
def watch(event, _):
    seen["connections"] += event == "socket.connect"
def load_verify_locations(*args, **options):
    seen["bundles"] += 1
    return load(*args, **options)
ssl.SSLContext.load_verify_locations = load_verify_locations
sys.addaudithook(watch)

class Context:
    function_name, memory_limit_in_mb, invoked_function_arn, aws_request_id = "trigger", 1024, "arn:aws:lambda", "id"
    def get_remaining_time_in_millis(self):
        return 5000

handler(json.loads(sys.argv[2]), Context())
seen["imports"] = sorted(set(sys.modules) - at_init)
seen["modules"] = sorted(at_init)
print(json.dumps(seen), file=answers)
"""


def first_signup(artifact: Path, aws: TlsAws, template: Translation) -> dict[str, Any]:
    event = (ROOT / "events" / "post_confirmation_native.json").read_text()
    settings = template.settings("PostConfirmationFunction") | {"USER_POOL_IDS": json.loads(event)["userPoolId"]}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROBE, str(artifact), event],
        env=aws.environment() | settings,
        check=True,
        capture_output=True,
        text=True,
    )
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def seen(
    trigger_artifact: Path, aws: TlsAws, template: Translation, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    trusting = tmp_path_factory.mktemp("trusting") / "artifact"
    shutil.copytree(trigger_artifact, trusting)
    aws.trust_in(trusting)
    before = len(aws.requests())
    return first_signup(trusting, aws, template) | {"requests": aws.requests()[before:]}


class TestTheFirstSignup:
    def test_imports_no_module(self, seen: dict[str, Any]) -> None:
        assert seen["imports"] == []

    def test_opens_no_connection(self, seen: dict[str, Any]) -> None:
        assert seen["connections"] == 0

    def test_loads_no_certificates(self, seen: dict[str, Any]) -> None:
        assert seen["bundles"] == 0

    def test_is_two_requests_after_one_to_open_each_connection(self, seen: dict[str, Any]) -> None:
        assert seen["requests"] == ["", "", "updateitem", "putevents"]

    @pytest.mark.parametrize("library", FOREIGN)
    def test_needs_no_library_that_takes_long_to_import(self, seen: dict[str, Any], library: str) -> None:
        assert library not in seen["modules"]


def test_an_endpoint_with_another_root_is_trusted_by_the_whole_bundle(
    trigger_artifact: Path, aws: TlsAws, template: Translation, tmp_path: Path
) -> None:
    shutil.copytree(trigger_artifact, tmp_path / "artifact")
    trust(tmp_path / "artifact" / "botocore" / "cacert-all.pem", aws.certificate)
    before = len(aws.requests())
    first_signup(tmp_path / "artifact", aws, template)
    assert aws.requests()[before:] == ["updateitem", "putevents"]


def test_the_bundle_of_the_artifact_has_the_roots_of_amazon_only(trigger_artifact: Path) -> None:
    bundle = (trigger_artifact / "botocore" / "cacert.pem").read_text()
    assert bundle.count("BEGIN CERTIFICATE") == len(AMAZON_ROOTS)
    assert (trigger_artifact / "botocore" / "cacert-all.pem").read_text().count("BEGIN CERTIFICATE") > 100


def test_no_bytecode_is_compared_with_its_source(trigger_artifact: Path) -> None:
    """PEP 552: flags 1 are a hash that is not checked. Lambda does not keep bytecode between cold starts."""
    files = list(trigger_artifact.rglob("*.pyc"))
    assert len(files) > 300
    assert {file.read_bytes()[:8] for file in files} == {importlib.util.MAGIC_NUMBER + b"\x01\x00\x00\x00"}
