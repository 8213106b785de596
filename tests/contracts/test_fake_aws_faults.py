"""The fault wrapper: the effect of each fault on the service and on the caller."""

import http.server
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from tests.fakes import (
    FakeDynamoDB,
    FakeEventBridge,
    FakeSqs,
    Faulty,
    ProcessKilled,
    QueueSpec,
    SiteLog,
    TableSpec,
    VirtualClock,
    faults_for,
)
from tests.fakes.faults import SIMPLE, unreadable

ADA = {"userId": {"S": "ada"}}
ONCE = {"TableName": "Users", "Item": ADA, "ConditionExpression": "attribute_not_exists(userId)"}


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def db(clock: VirtualClock) -> FakeDynamoDB:
    return FakeDynamoDB({"Users": TableSpec(("userId",))}, clock)


def always(fault: str | None) -> Any:
    return lambda *_: fault


OUTCOMES = {
    "not_sent": (EndpointConnectionError, "", False),
    "refused": (ClientError, "AccessDeniedException", False),
    "throttled": (ClientError, "ThrottlingException", False),
    "server_error": (ClientError, "InternalServerError", False),
    "failed_after": (ClientError, "InternalServerError", True),
    "bad_gateway": (ClientError, "502", False),
    "lost_reply": (ReadTimeoutError, "", True),
    "retried": (ClientError, "ConditionalCheckFailedException", True),
    "killed_before": (ProcessKilled, "", False),
    "killed_after": (ProcessKilled, "", True),
}


def test_every_fault_has_a_case_here() -> None:
    assert set(SIMPLE) == OUTCOMES.keys() | {"slow", "malformed"}


@pytest.mark.parametrize(("fault", "outcome"), OUTCOMES.items(), ids=OUTCOMES.keys())
def test_a_fault(db: FakeDynamoDB, fault: str, outcome: tuple[type[BaseException], str, bool]) -> None:
    expected, code, applied = outcome
    with pytest.raises(expected) as raised:
        Faulty(db, always(fault), SiteLog()).put_item(**ONCE)
    assert bool(db.rows("Users")) is applied
    if isinstance(raised.value, ClientError):
        assert raised.value.response["Error"]["Code"] == code
        assert raised.value.operation_name == "PutItem"


def test_a_killed_process_is_not_caught_as_an_error(db: FakeDynamoDB) -> None:
    assert not issubclass(ProcessKilled, Exception)


def test_a_slow_answer_advances_the_clock(db: FakeDynamoDB, clock: VirtualClock) -> None:
    before = clock()
    Faulty(db, always("slow"), SiteLog(), clock.advance, slow_seconds=7).put_item(**ONCE)
    assert (clock() - before, db.rows("Users")) == (7, [{"userId": "ada"}])


def test_a_lost_reply_takes_the_read_timeout(db: FakeDynamoDB, clock: VirtualClock) -> None:
    before = clock()
    with pytest.raises(ReadTimeoutError):
        Faulty(db, always("lost_reply"), SiteLog(), clock.advance).put_item(**ONCE)
    assert clock() == before + 1


class UnparsableReply(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("x-amz-crc32", "1")
        self.send_header("Content-Length", "7")
        self.end_headers()
        self.wfile.write(b"<html>!")

    def log_message(self, *_: Any) -> None:
        """No log."""


@pytest.fixture(scope="module")
def unparsable() -> Iterator[str]:
    server = http.server.HTTPServer(("127.0.0.1", 0), UnparsableReply)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("service", ["dynamodb", "events", "sqs", "ssm"])
def test_a_malformed_reply_equals_botocores_reply_to_an_unparsable_body(unparsable: str, service: str) -> None:
    """No error: a reply without any of its members."""
    session: Any = boto3.session.Session()
    client = session.client(
        service,
        region_name="eu-west-1",
        endpoint_url=unparsable,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"mode": "standard", "total_max_attempts": 2}),
    )
    calls = {
        "dynamodb": lambda: client.get_item(TableName="Users", Key=ADA),
        "events": lambda: client.put_events(Entries=[{"Source": "x"}]),
        "sqs": lambda: client.send_message(QueueUrl="https://sqs/1/Work", MessageBody="x"),
        "ssm": lambda: client.get_parameter(Name="/key"),
    }
    reply, faked = calls[service](), unreadable(service)
    assert reply.keys() == faked.keys()
    for name in ("HTTPStatusCode", "MaxAttemptsReached", "RetryAttempts"):
        assert reply["ResponseMetadata"].get(name) == faked["ResponseMetadata"].get(name)


def test_a_part_of_the_events_fails(clock: VirtualClock) -> None:
    bus = FakeEventBridge(clock)
    client = Faulty(bus, always("partial"), SiteLog())
    entries = [{"Source": "x", "DetailType": str(place), "Detail": "{}"} for place in range(3)]
    reply = client.put_events(Entries=entries)
    assert reply["FailedEntryCount"] == 2
    assert [entry.get("ErrorCode") for entry in reply["Entries"]] == ["InternalFailure", None, "InternalFailure"]
    assert [event["detail-type"] for event in bus.events] == ["1"]
    assert reply["Entries"][1]["EventId"] == bus.events[0]["id"]
    assert client.put_events(Entries=entries[:1])["FailedEntryCount"] == 1
    assert len(bus.events) == 1


def test_a_part_of_the_messages_fails(clock: VirtualClock) -> None:
    sqs = FakeSqs({"Work": QueueSpec()}, clock)
    entries = [{"Id": str(place), "MessageBody": "x"} for place in range(3)]
    reply = Faulty(sqs, always("partial"), SiteLog()).send_message_batch(QueueUrl=sqs.url("Work"), Entries=entries)
    assert [entry["Id"] for entry in reply["Successful"]] == ["1"]
    assert [entry["Id"] for entry in reply["Failed"]] == ["0", "2"]


def test_a_part_of_the_items_is_not_read(db: FakeDynamoDB) -> None:
    db.put_item(**ONCE)
    keys = {"Users": {"Keys": [{"userId": {"S": "eve"}}, ADA]}}
    reply = Faulty(db, always("partial"), SiteLog()).batch_get_item(RequestItems=keys)
    assert reply["Responses"] == {"Users": [ADA]}
    assert reply["UnprocessedKeys"] == {"Users": {"Keys": [{"userId": {"S": "eve"}}]}}


def test_what_an_operation_cannot_suffer_is_a_mistake_of_the_plan(db: FakeDynamoDB) -> None:
    assert "partial" in faults_for("put_events")
    assert "partial" not in faults_for("put_item")
    with pytest.raises(ValueError, match="cannot have the fault"):
        Faulty(db, always("partial"), SiteLog()).put_item(**ONCE)


def test_the_plan_and_the_log_see_every_call(db: FakeDynamoDB) -> None:
    asked: list[tuple[int, str, str]] = []
    log = SiteLog()

    def second_fails(call: int, service: str, operation: str) -> str | None:
        asked.append((call, service, operation))
        return "throttled" if call == 2 else None

    client = Faulty(db, second_fails, log)
    adapter = adapter_function("onramp.adapters.users", "find")
    adapter(client)
    with pytest.raises(client.exceptions.ThrottlingException):
        client.put_item(**ONCE)
    assert asked == [(1, "dynamodb", "get_item"), (2, "dynamodb", "put_item")]
    assert {(site.operation, site.caller) for site in log.calls} == {
        ("dynamodb.get_item", "onramp.adapters.users.find"),
        ("dynamodb.put_item", "outside"),
    }
    assert [site.operation for site in log.never_faulted()] == ["dynamodb.get_item"]


def adapter_function(module: str, name: str) -> Any:
    """A function with the module name of a module of the code under test."""
    scope: dict[str, Any] = {"__name__": module, "KEY": ADA}
    source = f"def {name}(client):\n    return client.get_item(TableName='Users', Key=KEY)"
    exec(compile(source, module, "exec"), scope)  # noqa: S102 - the source is in this function
    return scope[name]


def test_every_page_is_a_call(db: FakeDynamoDB) -> None:
    for place in range(5):
        db.put_item(TableName="Users", Item={"userId": {"S": str(place)}})
    log = SiteLog()
    pages = (
        Faulty(db, always(None), log)
        .get_paginator("scan")
        .paginate(TableName="Users", PaginationConfig={"PageSize": 2})
    )
    assert sum(page["Count"] for page in pages) == 5
    assert log.calls.total() == 3
