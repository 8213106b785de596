"""The control surface of the fakes: what it accepts, and what it says to nonsense."""

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


def order(fake: FakeStripe, method: str, what: str, body: Any = None) -> Response:
    return control(fake, Request(method, f"/_control/{what}", body=b"" if body is None else json.dumps(body).encode()))


def create(fake: FakeStripe, key: str = "sk_test_local") -> int:
    return fake.handle(Request("POST", "/v1/customers", headers={"authorization": f"Bearer {key}"})).status


def test_faults_are_added_and_cleared(fake: FakeStripe) -> None:
    assert order(fake, "POST", "faults", {"kind": "server_error", "times": None}).status == 200
    assert create(fake) == 500
    assert order(fake, "DELETE", "faults").status == 200
    assert create(fake) == 200


def test_the_clock_moves(fake: FakeStripe) -> None:
    assert order(fake, "POST", "clock", {"advance_seconds": 60}).status == 200
    assert fake.clock() == 60.0


def test_the_key_is_rotated(fake: FakeStripe) -> None:
    order(fake, "POST", "key", {"accepted": "sk_test_next"})
    assert (create(fake), create(fake, "sk_test_next")) == (401, 200)


def test_customers_and_calls_are_shown_but_its_own_calls_are_not(fake: FakeStripe) -> None:
    create(fake)
    assert [customer["object"] for customer in order(fake, "GET", "customers").body] == ["customer"]
    assert [call["operation"] for call in order(fake, "GET", "calls").body] == ["create"]


@pytest.mark.parametrize(
    ("method", "what", "body"),
    [
        ("POST", "faults", {"kind": "earthquake"}),
        ("POST", "faults", {"kind": "latency", "colour": "red"}),
        ("POST", "faults", [1]),
        ("POST", "clock", {}),
        ("POST", "clock", {"advance_seconds": "soon"}),
        ("POST", "key", None),
    ],
)
def test_nonsense_is_refused_with_a_reason(fake: FakeStripe, method: str, what: str, body: Any) -> None:
    answer = order(fake, method, what, body)
    assert answer.status == 400
    assert answer.body["message"]


def test_what_is_not_there_is_not_found(fake: FakeStripe) -> None:
    assert order(fake, "GET", "secrets").status == 404
