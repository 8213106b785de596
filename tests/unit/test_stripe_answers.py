"""Stripe's answers: which are tried again and after how long, and which are final."""

from __future__ import annotations

import json
from typing import Any

import pytest
import stripe

from onramp.adapters.stripe import StripeCustomers
from onramp.domain.errors import KeyRejected, PermanentError, RetryableError

ERROR = json.dumps({"error": {"code": "email_invalid", "message": "no"}})
BODIES = ["", "<html>", "[]", "{}", ERROR]


class Secret:
    def get(self, *, fresh: bool = False) -> str:
        return "key"


class OneAnswer(stripe.HTTPClient):
    name = "one answer"

    def __init__(self, status: int, body: str, headers: dict[str, str]) -> None:
        super().__init__()
        self._answer = body, status, headers

    def request(self, *_: Any, **__: Any) -> tuple[str, int, dict[str, str]]:
        return self._answer


def create(status: int, body: str = "{}", **headers: str) -> str:
    customers = StripeCustomers(Secret(), "https://stripe.test", lambda: None, OneAnswer(status, body, headers))
    return customers.create({"email": "nia@example.com", "metadata": {}}, "key-1")


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("status", [300, 302, 308, 399, 408, 409, 429, 500, 503, 599])
def test_a_passing_refusal_is_tried_again(status: int, body: str) -> None:
    with pytest.raises(RetryableError) as raised:
        create(status, body)
    assert (raised.value.code, raised.value.delay) == (f"stripe_{status}", None)


@pytest.mark.parametrize("status", [302, 408, 429, 503])
def test_retry_after_is_the_delay(status: int) -> None:
    with pytest.raises(RetryableError) as raised:
        create(status, ERROR, **{"Retry-After": "7"})
    assert raised.value.delay == 7.0


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("status", [400, 402, 404, 422, 499])
def test_any_other_refusal_is_final(status: int, body: str) -> None:
    with pytest.raises(PermanentError) as raised:
        create(status, body)
    assert raised.value.reason == f"stripe_refused_{status}"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_not_the_messages_fault(status: int) -> None:
    with pytest.raises(KeyRejected):
        create(status)
