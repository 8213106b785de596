"""Three implementations of AWS: our fakes, moto, and the emulator. The contract tests run over all three."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Protocol

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.fakes import (
    FakeCognito,
    FakeDynamoDB,
    FakeEventBridge,
    FakeSqs,
    FakeSsm,
    QueueSpec,
    TableSpec,
    VirtualClock,
)
from tests.fakes.client import REGION

deviates = pytest.mark.deviates
"""`@deviates(moto="why")`: that backend differs from AWS's documentation; the test fails when it no longer does."""
CRASHES = "raises a Python error instead of ValidationException"
LENIENT = "accepts a request that AWS refuses"


def error_code(call: Callable[[], Any]) -> str:
    """The code of the ClientError that the call raises."""
    with pytest.raises(ClientError) as raised:
        call()
    return str(raised.value.response["Error"]["Code"])


class Backend(Protocol):
    name: str

    def tables(self, definitions: Mapping[str, Mapping[str, Any]]) -> Any:
        """A DynamoDB client with these tables, each given as CreateTable's arguments."""

    def queues(self, specs: Mapping[str, QueueSpec]) -> Any:
        """An SQS client with these queues; a dead-letter queue comes before the queue that refers to it."""

    def bus(self, name: str, pattern: Mapping[str, Any], queue: str) -> Any:
        """An EventBridge client with this bus, whose one rule sends to a queue made by `queues`."""

    def parameters(self, values: Mapping[str, str]) -> Any:
        """An SSM client with these SecureStrings."""

    def pool(self, users: Mapping[str, Mapping[str, str]]) -> tuple[Any, str]:
        """A Cognito client, and the id of a pool with these users and their attributes."""


@dataclass
class FakeBackend:
    name: str = "fake"

    def __post_init__(self) -> None:
        self.clock = VirtualClock(time.time())

    def tables(self, definitions: Mapping[str, Mapping[str, Any]]) -> Any:
        return FakeDynamoDB({name: TableSpec.of(table) for name, table in definitions.items()}, self.clock)

    def queues(self, specs: Mapping[str, QueueSpec]) -> Any:
        self.sqs = FakeSqs(specs, self.clock)
        return self.sqs

    def bus(self, name: str, pattern: Mapping[str, Any], queue: str) -> Any:
        events = FakeEventBridge(self.clock, buses=[name])
        events.add_rule(name, pattern, self.sqs.sink(queue))
        return events

    def parameters(self, values: Mapping[str, str]) -> Any:
        return FakeSsm(values, self.clock)

    def pool(self, users: Mapping[str, Mapping[str, str]]) -> tuple[Any, str]:
        pool = FakeCognito(f"{REGION}_fake", self.clock)
        for name, attributes in users.items():
            pool.add_user(name, attributes, "FORCE_CHANGE_PASSWORD")
        return pool, pool.pool_id


@dataclass
class BotoBackend:
    name: str
    endpoint: str | None = None

    def __post_init__(self) -> None:
        self._clients: dict[str, Any] = {}  # creating a client takes a quarter of a second
        self._session: Any = boto3.session.Session()

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._session.client(
                service,
                region_name=REGION,
                endpoint_url=self.endpoint,
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=Config(retries={"total_max_attempts": 1}),
            )
        return self._clients[service]

    def tables(self, definitions: Mapping[str, Mapping[str, Any]]) -> Any:
        client = self.client("dynamodb")
        for name, table in definitions.items():
            client.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **table)
        return client

    def queues(self, specs: Mapping[str, QueueSpec]) -> Any:
        client = self.client("sqs")
        arns: dict[str, str] = {}
        for name, spec in specs.items():
            attributes = {"VisibilityTimeout": str(int(spec.visibility_timeout))}
            if spec.dead_letter_queue:
                policy = {
                    "deadLetterTargetArn": arns[spec.dead_letter_queue],
                    "maxReceiveCount": spec.max_receive_count,
                }
                attributes["RedrivePolicy"] = json.dumps(policy)
            url = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
            reply = client.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
            arns[name] = reply["Attributes"]["QueueArn"]
        return client

    def bus(self, name: str, pattern: Mapping[str, Any], queue: str) -> Any:
        sqs, events = self.client("sqs"), self.client("events")
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        reply = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        events.create_event_bus(Name=name)
        events.put_rule(Name="rule", EventBusName=name, EventPattern=json.dumps(pattern))
        target = {"Id": "queue", "Arn": reply["Attributes"]["QueueArn"]}
        events.put_targets(Rule="rule", EventBusName=name, Targets=[target])
        return events

    def parameters(self, values: Mapping[str, str]) -> Any:
        client = self.client("ssm")
        for name, value in values.items():
            client.put_parameter(Name=name, Value=value, Type="SecureString")
        return client

    def pool(self, users: Mapping[str, Mapping[str, str]]) -> tuple[Any, str]:
        client = self.client("cognito-idp")
        pool_id = client.create_user_pool(PoolName="pool")["UserPool"]["Id"]
        for name, attributes in users.items():
            listed = [{"Name": key, "Value": value} for key, value in attributes.items()]
            client.admin_create_user(UserPoolId=pool_id, Username=name, UserAttributes=listed, MessageAction="SUPPRESS")
        return client, pool_id


@contextmanager
def moto() -> Iterator[BotoBackend]:
    import moto as library  # must be imported before any client is created

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
