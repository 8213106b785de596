"""RevenueCat's answers: which are a success, which are tried again and after how long, and which are final."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from onramp.adapters.revenuecat import RevenueCatSubscribers
from onramp.domain.errors import KeyRejected, PermanentError, RetryableError
from tests.pipeline import SUB


class Secret:
    def get(self, *, fresh: bool = False) -> str:
        return "key"


def subscribers(status: int, body: Any = None, **headers: str) -> RevenueCatSubscribers:
    data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    reply = SimpleNamespace(status=status, data=data, headers=headers)
    http: Any = SimpleNamespace(request=lambda *_, **__: reply)
    return RevenueCatSubscribers(Secret(), "https://revenuecat.test/", "a project", lambda: None, http)


def refusal(status: int, body: Any = None, **headers: str) -> RetryableError:
    with pytest.raises(RetryableError) as raised:
        subscribers(status, body, **headers).ensure(SUB, {})
    return raised.value


@pytest.mark.parametrize("status", [200, 201, 299])
def test_success(status: int) -> None:
    subscribers(status).ensure(SUB, {})


def test_a_customer_that_exists_already_is_a_success() -> None:
    subscribers(409, {"type": "resource_already_exists"}).ensure(SUB, {})


@pytest.mark.parametrize("status", [199, 300, 302, 399, 408, 409, 423, 429, 500, 503, 599])
def test_a_passing_refusal_is_tried_again(status: int) -> None:
    assert (refusal(status).code, refusal(status).delay) == (f"revenuecat_{status}", None)


def test_only_a_conflict_says_that_the_customer_exists() -> None:
    exists = {"type": "resource_already_exists"}
    assert refusal(500, exists).code == "revenuecat_500"
    assert refusal(409, {"type": "resource_locked"}).code == "revenuecat_409"
    with pytest.raises(PermanentError):
        subscribers(400, exists).ensure(SUB, {})


def test_what_revenuecat_calls_retryable_is_tried_again() -> None:
    assert refusal(400, {"retryable": True}).code == "revenuecat_400"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_not_the_messages_fault(status: int) -> None:
    with pytest.raises(KeyRejected):
        subscribers(status, {"retryable": True}).ensure(SUB, {})


@pytest.mark.parametrize("status", [400, 404, 422, 499])
@pytest.mark.parametrize("retryable", [False, "true", 1, None])
def test_any_other_refusal_is_final(status: int, retryable: Any) -> None:
    with pytest.raises(PermanentError) as raised:
        subscribers(status, {"type": "parameter_error", "retryable": retryable}).ensure(SUB, {})
    assert (raised.value.reason, raised.value.code) == (f"revenuecat_refused_{status}", "parameter_error")


@pytest.mark.parametrize(("backoff", "delay"), [(2500, 2.5), (500.0, 0.5), (0, 0.0), (-5, 0.0)])
def test_backoff_ms_is_the_delay(backoff: float, delay: float) -> None:
    assert refusal(429, {"backoff_ms": backoff}, **{"Retry-After": "7"}).delay == delay


@pytest.mark.parametrize("backoff", [None, True, "2000", [2000]])
def test_an_unusable_backoff_leaves_the_header(backoff: Any) -> None:
    assert refusal(429, {"backoff_ms": backoff}, **{"retry-after": "7"}).delay == 7.0


@pytest.mark.parametrize(("text", "delay"), [("0", 0.0), ("2.5", 2.5), ("-1", None), ("inf", None), ("nan", None)])
def test_retry_after_in_seconds(text: str, delay: float | None) -> None:
    assert refusal(503, **{"Retry-After": text}).delay == delay


@pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b"[]", b'"text"'])
def test_an_unreadable_body_leaves_the_status(body: bytes) -> None:
    assert refusal(500, body).code == "revenuecat_500"
    with pytest.raises(PermanentError):
        subscribers(404, body).ensure(SUB, {})


def test_deleting_an_absent_customer() -> None:
    assert subscribers(404).delete(SUB) is False
    assert subscribers(200).delete(SUB) is True
