"""Three implementations of the same AWS: our fakes, moto, and the emulator. Each test runs over all three."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Protocol

import boto3
import pytest
from botocore.config import Config

from tests.fakes import FakeDynamoDB, TableSpec, VirtualClock
from tests.fakes.client import REGION

deviates = pytest.mark.deviates
"""`@deviates(moto="why")`: that backend differs from what AWS documents; the test fails when it no longer does."""
CRASHES = "raises a Python error instead of ValidationException"
LENIENT = "accepts what AWS refuses"


class Backend(Protocol):
    name: str

    def tables(self, definitions: Mapping[str, Mapping[str, Any]]) -> Any:
        """A DynamoDB client with these tables, each given as CreateTable's arguments."""


@dataclass
class FakeBackend:
    name: str = "fake"

    def __post_init__(self) -> None:
        self.clock = VirtualClock(time.time())

    def tables(self, definitions: Mapping[str, Mapping[str, Any]]) -> Any:
        return FakeDynamoDB({name: TableSpec.of(table) for name, table in definitions.items()}, self.clock)


@dataclass
class BotoBackend:
    name: str
    endpoint: str | None = None

    def client(self, service: str) -> Any:
        session: Any = boto3.session.Session()  # its overloads want the service's name as a literal
        return session.client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def tables(self, definitions: Mapping[str, Mapping[str, Any]]) -> Any:
        client = self.client("dynamodb")
        for name, table in definitions.items():
            client.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **table)
        return client


@contextmanager
def moto() -> Iterator[BotoBackend]:
    import moto as library  # before any client is made

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCOUNT_ID_ENDPOINT_MODE", "disabled")
        with library.mock_aws():
            yield BotoBackend("moto")


@contextmanager
def emulator(folder: Path) -> Iterator[BotoBackend]:
    """The bare emulator as a child process on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    quiet = {"IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0", "GATEWAY_PORT": str(port), "TMPDIR": str(folder)}
    bind = {"BIND_HOST": "127.0.0.1", "MINISTACK_HOST": "127.0.0.1"}
    with (folder / "emulator.log").open("wb") as log:
        command = [sys.executable, "-m", "ministack"]
        process = subprocess.Popen(command, env=os.environ | quiet | bind, cwd=folder, stdout=log, stderr=log)
        try:
            _wait_for(port, process)
            yield BotoBackend("emulator", f"http://127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with closing(HTTPConnection("127.0.0.1", port, timeout=1)) as connection:
                connection.request("GET", "/_ministack/health")
                connection.getresponse()
        except OSError:
            time.sleep(0.02)  # polling, with a deadline
        else:
            return
    raise RuntimeError(f"the emulator did not answer on port {port}; exit code {process.poll()}")
