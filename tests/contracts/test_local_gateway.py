"""The gateway's additions to the emulator: redrive calls, checks of PutEvents entries, faults on demand."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import parse_headers
from typing import Any
from uuid import uuid4

import pytest
import urllib3
from botocore.exceptions import ClientError

from onramp.local.stack import LocalStack
from tests.contracts.toy import PASSWORD
from tests.deployed import eventually


@pytest.fixture(autouse=True)
def _clear_faults(toy: LocalStack) -> Iterator[None]:
    yield
    toy.control.clear()


def entry(toy: LocalStack, **changes: Any) -> dict[str, Any]:
    valid = {"Source": "toy", "DetailType": "Played", "Detail": "{}", "EventBusName": toy.outputs["BusName"]}
    return {name: value for name, value in {**valid, **changes}.items() if value is not None}


def receive(toy: LocalStack, url: str = "InboxUrl") -> list[dict[str, Any]]:
    return list(
        toy.client("sqs").receive_message(QueueUrl=toy.outputs[url], MaxNumberOfMessages=10).get("Messages", [])
    )


def drain(toy: LocalStack, url: str = "InboxUrl") -> None:
    for message in receive(toy, url):
        toy.client("sqs").delete_message(QueueUrl=toy.outputs[url], ReceiptHandle=message["ReceiptHandle"])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Detail": "no json"}, "MalformedDetail"),
        ({"Detail": "[1]"}, "MalformedDetail"),
        ({"Detail": None}, "InvalidArgument"),
        ({"Source": None}, "InvalidArgument"),
        ({"DetailType": ""}, "InvalidArgument"),
        ({"DetailType": "x" * 129}, "InvalidArgument"),
    ],
)
def test_a_malformed_entry_fails_alone(toy: LocalStack, changes: dict[str, Any], code: str) -> None:
    drain(toy)
    answer = toy.client("events").put_events(Entries=[entry(toy, **changes), entry(toy, Detail='{"n": 1}')])
    assert answer["FailedEntryCount"] == 1
    assert [result.get("ErrorCode") for result in answer["Entries"]] == [code, None]
    (message,) = eventually(lambda: receive(toy))
    assert json.loads(message["Body"])["detail"] == {"n": 1}


def test_more_than_ten_entries_are_refused(toy: LocalStack) -> None:
    with pytest.raises(ClientError, match="ValidationException"):
        toy.client("events").put_events(Entries=[entry(toy)] * 11)


def test_a_refused_call_does_nothing_and_the_next_one_works(toy: LocalStack) -> None:
    drain(toy)
    toy.control.fault("events", "PutEvents", "refused", code="ThrottlingException", status=400)
    with pytest.raises(ClientError, match="ThrottlingException"):
        toy.client("events").put_events(Entries=[entry(toy)])
    assert toy.client("events").put_events(Entries=[entry(toy, Detail='{"n": 2}')])["FailedEntryCount"] == 0
    assert [json.loads(m["Body"])["detail"] for m in eventually(lambda: receive(toy))] == [{"n": 2}]


def test_a_lost_reply_has_done_its_work(toy: LocalStack) -> None:
    drain(toy)
    toy.control.fault("events", "PutEvents", "lost_reply")
    with pytest.raises(ClientError, match="InternalFailure"):
        toy.client("events").put_events(Entries=[entry(toy)])
    assert len(eventually(lambda: receive(toy))) == 1


def test_entries_can_fail_in_a_call_with_status_200(toy: LocalStack) -> None:
    toy.control.fault("events", "PutEvents", "partial_failure", match="unlucky")
    entries = [entry(toy), entry(toy, DetailType="unlucky")]
    answer = toy.client("events").put_events(Entries=entries)
    assert answer["FailedEntryCount"] == 1
    assert [result.get("ErrorCode") for result in answer["Entries"]] == [None, "InternalFailure"]


def test_a_fault_without_a_count_lasts_until_cleared_and_affects_no_other_service(toy: LocalStack) -> None:
    toy.control.fault("events", "*", "refused", times=None)
    for _ in range(3):
        with pytest.raises(ClientError):
            toy.client("events").put_events(Entries=[entry(toy)])
    toy.client("sqs").list_queues()
    toy.control.clear()
    toy.client("events").put_events(Entries=[entry(toy)])


def test_a_timeout_fault_leaves_a_call_without_an_answer(toy: LocalStack) -> None:
    toy.control.fault("events", "PutEvents", "timeout")
    headers = {"x-amz-target": "AWSEvents.PutEvents"}
    with urllib3.PoolManager(retries=False, timeout=0.2) as http, pytest.raises(urllib3.exceptions.TimeoutError):
        http.request("POST", toy.endpoint, body=b"{}", headers=headers)


@pytest.mark.parametrize(("method", "control"), [("POST", "faults"), ("GET", "faults"), ("POST", "federated-sign-in")])
def test_an_invalid_control_request_is_rejected(toy: LocalStack, method: str, control: str) -> None:
    with urllib3.PoolManager(retries=False, timeout=5) as http:
        answer = http.request(method, f"{toy.endpoint}/_onramp/{control}", body=b'{"kind": "earthquake"}')
    assert 400 <= answer.status < 500
    assert answer.json()["message"]


def test_sign_ups_at_the_same_time_into_a_large_pool(toy: LocalStack) -> None:
    cognito = toy.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="crowd", UsernameAttributes=["email"])["UserPool"]["Id"]
    client = cognito.create_user_pool_client(UserPoolId=pool, ClientName="app")["UserPoolClient"]["ClientId"]
    toy.control.populate(pool, [{"attributes": {"email": f"old{number}@example.com"}} for number in range(3_000)])

    def sign_up(number: int) -> str:
        return str(cognito.sign_up(ClientId=client, Username=f"new{number}@example.com", Password=PASSWORD)["UserSub"])

    with ThreadPoolExecutor(8) as threads:
        subs = set(threads.map(sign_up, range(100)))
    listed = cognito.get_paginator("list_users").paginate(UserPoolId=pool)
    assert subs <= {user["Username"] for page in listed for user in page["Users"]}
    assert len(subs) == 100


@dataclass
class Queues:
    """A queue with maxReceiveCount 1, and its dead-letter queue."""

    toy: LocalStack
    name: str = field(default_factory=lambda: f"moves-{uuid4()}")

    def __post_init__(self) -> None:
        self.dlq = self._create(f"{self.name}-dead")
        policy = {"deadLetterTargetArn": self.arn(self.dlq), "maxReceiveCount": 1}
        self.source = self._create(self.name, VisibilityTimeout="0", RedrivePolicy=json.dumps(policy))

    def _create(self, name: str, **attributes: str) -> str:
        return str(self.toy.client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])

    def _attribute(self, url: str, name: str) -> str:
        answer = self.toy.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=[name])
        return str(answer["Attributes"][name])

    def arn(self, url: str) -> str:
        return self._attribute(url, "QueueArn")

    def length(self, url: str) -> int:
        return int(self._attribute(url, "ApproximateNumberOfMessages"))

    def dead_letter(self, body: str) -> None:
        """Sends a message and receives it until SQS moves it to the dead-letter queue."""
        sqs = self.toy.client("sqs")
        sqs.send_message(QueueUrl=self.source, MessageBody=body)
        while not self.length(self.dlq):
            sqs.receive_message(QueueUrl=self.source)

    def task(self) -> dict[str, Any]:
        """The last message move task; empty while it runs."""
        (task,) = self.toy.client("sqs").list_message_move_tasks(SourceArn=self.arn(self.dlq))["Results"]
        return dict(task) if task["Status"] != "RUNNING" else {}


def test_messages_move_back_to_their_source_queue(toy: LocalStack) -> None:
    queues, sqs = Queues(toy), toy.client("sqs")
    queues.dead_letter("{}")
    assert sqs.list_dead_letter_source_queues(QueueUrl=queues.dlq)["queueUrls"] == [queues.source]
    sqs.start_message_move_task(SourceArn=queues.arn(queues.dlq))
    task = eventually(queues.task)
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 1)
    assert (queues.length(queues.dlq), queues.length(queues.source)) == (0, 1)


def test_a_message_that_code_sent_to_the_dlq_needs_a_destination(toy: LocalStack) -> None:
    queues, sqs = Queues(toy), toy.client("sqs")
    attributes = {"reason": {"DataType": "String", "StringValue": "unknown_user"}}
    sqs.send_message(QueueUrl=queues.dlq, MessageBody="{}", MessageAttributes=attributes)
    sqs.start_message_move_task(SourceArn=queues.arn(queues.dlq))
    task = eventually(queues.task)
    assert (task["Status"], task["FailureReason"]) == ("FAILED", "CouldNotDetermineMessageSource")
    assert queues.length(queues.dlq) == 1
    sqs.start_message_move_task(SourceArn=queues.arn(queues.dlq), DestinationArn=queues.arn(queues.source))
    assert eventually(queues.task)["Status"] == "COMPLETED"
    (message,) = sqs.receive_message(QueueUrl=queues.source, MessageAttributeNames=["All"])["Messages"]
    assert message["MessageAttributes"] == attributes


def test_only_a_dead_letter_queue_can_be_redriven(toy: LocalStack) -> None:
    with pytest.raises(ClientError, match="Dead Letter Queue"):
        toy.client("sqs").start_message_move_task(SourceArn=toy.outputs["QueueArn"])


PORT = "{port}"  # replaced by the port of the stack
LOCAL = f"127.0.0.1:{PORT}"
AWS_CALL = ("POST", "/", {"X-Amz-Target": "DynamoDB_20120810.ListTables", "Authorization": "Credential=test/1/x/y/z"})
REQUESTS = {
    "an AWS call": AWS_CALL,
    "a new function": ("POST", "/2015-03-31/functions", {}),
    "an invocation": ("POST", "/2015-03-31/functions/onramp-local-PostConfirmation/invocations", {}),
    "a query call": ("POST", "/?Action=ListTopics", {}),
    "an object of S3": ("GET", "/onramp-local-artifacts", {}),
    "the emulator's own controls": ("POST", "/_ministack/reset", {}),
    "a fake": ("GET", "/_fakes/stripe/v1/customers", {}),
    "a fake's control": ("POST", "/_fakes/stripe/_control/faults", {}),
    "a control": ("POST", "/_onramp/faults", {}),
    "a preflight": ("OPTIONS", "/", {"Access-Control-Request-Method": "POST"}),
}
FROM_A_PAGE = {
    "another site": {"Host": LOCAL, "Origin": "https://evil.example"},
    "a sandboxed page": {"Host": LOCAL, "Origin": "null"},
    "another port": {"Host": LOCAL, "Origin": "http://127.0.0.1:3000"},
    "an image of another site": {"Host": LOCAL, "Sec-Fetch-Site": "cross-site"},
    "an image of another port": {"Host": LOCAL, "Sec-Fetch-Site": "same-site"},
    "DNS rebinding": {"Host": "evil.example:{port}", "Origin": "http://evil.example:{port}"},
    "DNS rebinding, without an origin": {"Host": "evil.example:{port}"},
    "a name that begins like ours": {"Host": "127.0.0.1.evil.example:{port}"},
    "a name of this machine": {"Host": "localhost.evil.example:{port}"},
    "a bucket's name": {"Host": "bucket.localhost:{port}"},
    "another port's name": {"Host": "127.0.0.1:1"},
    "no port": {"Host": "127.0.0.1"},
}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]


def send_raw(toy: LocalStack, method: str, path: str, headers: dict[str, str], body: str = "{}") -> Answer:
    """One request over a socket of its own, with these headers and no others: SDKs set some themselves."""
    port = toy.endpoint.rpartition(":")[2]
    everything = {**headers, "Content-Length": str(len(body)), "Connection": headers.get("Connection", "close")}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in everything.items())]
    request = "\r\n".join([*lines, "", body]).replace(PORT, port)
    with socket.create_connection(("127.0.0.1", int(port)), timeout=10) as connection:
        connection.sendall(request.encode())
        with connection.makefile("rb") as reply:
            status = int(reply.readline().split()[1])
            return Answer(status, {name.lower(): value for name, value in parse_headers(reply).items()})


@pytest.mark.parametrize("request_of_a_page", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("page", FROM_A_PAGE.values(), ids=FROM_A_PAGE)
def test_a_web_page_reaches_nothing(
    toy: LocalStack, request_of_a_page: tuple[str, str, dict[str, str]], page: dict[str, str]
) -> None:
    method, path, headers = request_of_a_page
    answer = send_raw(toy, method, path, {"Content-Type": "text/plain", **headers, **page})
    assert answer.status == 403
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_a_web_page_cannot_create_a_function(toy: LocalStack) -> None:
    """The attack: a simple POST needs no preflight, and the emulator reads its body as JSON for every content type."""
    name = f"from-a-page-{uuid4()}"
    role = "arn:aws:iam::000000000000:role/any"
    body = json.dumps({"FunctionName": name, "Role": role, "Runtime": "python3.13", "Handler": "a.b", "Code": {}})
    headers = {"Host": LOCAL, "Content-Type": "text/plain", "Origin": "https://evil.example"}
    assert send_raw(toy, "POST", "/2015-03-31/functions", headers, body).status == 403
    assert name not in {function["FunctionName"] for function in toy.client("lambda").list_functions()["Functions"]}


def test_a_web_page_cannot_inject_a_fault(toy: LocalStack) -> None:
    fault = json.dumps({"service": "sqs", "operation": "*", "kind": "refused", "times": 1})
    headers = {"Host": LOCAL, "Content-Type": "text/plain", "Sec-Fetch-Site": "cross-site"}
    assert send_raw(toy, "POST", "/_onramp/faults", headers, fault).status == 403
    toy.client("sqs").list_queues()


WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture(scope="module")
def websocket_path(toy: LocalStack) -> str:
    """Of a websocket API whose handshake the emulator accepts."""
    apis = toy.client("apigatewayv2")
    api = apis.create_api(Name="chat", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")
    apis.create_stage(ApiId=api["ApiId"], StageName="live")
    return f"/_aws/execute-api/{api['ApiId']}/live"


@pytest.mark.parametrize("page", FROM_A_PAGE.values(), ids=FROM_A_PAGE)
def test_a_web_page_opens_no_websocket(toy: LocalStack, websocket_path: str, page: dict[str, str]) -> None:
    assert send_raw(toy, "GET", websocket_path, {**WEBSOCKET, **page}, "").status == 403


def test_a_program_opens_a_websocket(toy: LocalStack, websocket_path: str) -> None:
    assert send_raw(toy, "GET", websocket_path, {**WEBSOCKET, "Host": LOCAL}, "").status == 101


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
@pytest.mark.parametrize("more", [{}, {"Sec-Fetch-Site": "none"}, {"Sec-Fetch-Site": "same-origin"}], ids=str)
def test_a_program_calls_by_each_name_of_this_machine(toy: LocalStack, name: str, more: dict[str, str]) -> None:
    method, path, headers = AWS_CALL
    assert send_raw(toy, method, path, {**headers, "Host": f"{name}:{PORT}", **more}).status == 200


SAFE = {name: request for name, request in REQUESTS.items() if "reset" not in request[1]}  # the stack is shared


@pytest.mark.parametrize(("method", "path", "headers"), SAFE.values(), ids=SAFE)
def test_no_reply_to_a_program_has_a_cors_header(
    toy: LocalStack, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = send_raw(toy, method, path, {**headers, "Host": LOCAL})
    assert not [header for header in answer.headers if header.startswith("access-control-")]
