"""The controls of the fakes: valid and invalid requests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from onramp.local.fakes.control import control
from onramp.local.fakes.messages import Request, Response
from onramp.local.fakes.stripe import FakeStripe


@pytest.fixture
def fake() -> FakeStripe:
    return FakeStripe(clock=lambda: 0.0)


def send(fake: FakeStripe, method: str, path: str, body: Any = None) -> Response:
    return control(fake, Request(method, f"/_control/{path}", body=b"" if body is None else json.dumps(body).encode()))


def create(fake: FakeStripe, key: str = "sk_test_local") -> int:
    return fake.handle(Request("POST", "/v1/customers", headers={"authorization": f"Bearer {key}"})).status


def test_faults_are_added_and_cleared(fake: FakeStripe) -> None:
    assert send(fake, "POST", "faults", {"kind": "server_error", "times": None}).status == 200
    assert create(fake) == 500
    assert send(fake, "DELETE", "faults").status == 200
    assert create(fake) == 200


def test_the_clock_moves(fake: FakeStripe) -> None:
    assert send(fake, "POST", "clock", {"advance_seconds": 60}).status == 200
    assert fake.clock() == 60.0


def test_the_key_is_rotated(fake: FakeStripe) -> None:
    send(fake, "POST", "key", {"accepted": "sk_test_next"})
    assert (create(fake), create(fake, "sk_test_next")) == (401, 200)


def test_customers_and_calls_are_listed_without_control_requests(fake: FakeStripe) -> None:
    create(fake)
    assert [customer["object"] for customer in send(fake, "GET", "customers").body] == ["customer"]
    assert [call["operation"] for call in send(fake, "GET", "calls").body] == ["create"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "faults", {"kind": "earthquake"}),
        ("POST", "faults", {"kind": "latency", "colour": "red"}),
        ("POST", "faults", [1]),
        ("POST", "clock", {}),
        ("POST", "clock", {"advance_seconds": "soon"}),
        ("POST", "key", None),
    ],
)
def test_an_invalid_request_is_rejected_with_a_message(fake: FakeStripe, method: str, path: str, body: Any) -> None:
    answer = send(fake, method, path, body)
    assert answer.status == 400
    assert answer.body["message"]


def test_an_unknown_control_is_not_found(fake: FakeStripe) -> None:
    assert send(fake, "GET", "secrets").status == 404
