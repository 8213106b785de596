"""The fake Stripe without HTTP: expiry, faults and idempotency keys."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlencode

import pytest

from onramp.local.fakes.faults import Fault
from onramp.local.fakes.messages import Request, Response
from onramp.local.fakes.stripe import KEY_LIFETIME_SECONDS, LOCAL_KEY, FakeStripe


class Stripe(FakeStripe):
    """The fake with a clock that only `advance` moves, and helpers for requests."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: 1_800_000_000.0)

    def send(
        self,
        method: str,
        path: str,
        body: dict[str, str] | None = None,
        key: str | None = None,
        authorization: str = f"Bearer {LOCAL_KEY}",
        query: str = "",
    ) -> Response:
        headers = {"authorization": authorization} | ({"idempotency-key": key} if key else {})
        return self.handle(Request(method, path, query, headers, urlencode(body or {}).encode()))

    def create(self, email: str = "ada@example.com", key: str | None = None, **more: str) -> Response:
        return self.send("POST", "/v1/customers", {"email": email, **more}, key)

    def list(self, **query: Any) -> Response:
        return self.send("GET", "/v1/customers", query=urlencode(query))


@pytest.fixture
def stripe() -> Stripe:
    return Stripe()


def emails(response: Response) -> list[str]:
    return [customer["email"] for customer in response.body["data"]]


def test_a_customer_has_the_fields_of_its_creation(stripe: Stripe) -> None:
    created = stripe.send("POST", "/v1/customers", {"email": "ada@example.com", "name": "Ada", "metadata[sub]": "s-1"})
    assert created.status == 200
    assert (created.body["email"], created.body["name"]) == ("ada@example.com", "Ada")
    assert created.body["metadata"] == {"sub": "s-1"}
    assert stripe.send("GET", f"/v1/customers/{created.body['id']}").body == created.body


def test_a_deleted_customer_is_absent_from_lists_and_marked_as_deleted(stripe: Stripe) -> None:
    created = stripe.create().body["id"]
    assert stripe.send("DELETE", f"/v1/customers/{created}").body["deleted"] is True
    assert stripe.send("GET", f"/v1/customers/{created}").body == {"id": created, "object": "customer", "deleted": True}
    assert emails(stripe.list()) == []
    assert stripe.create().body["id"] != created


def test_an_unknown_customer_is_missing(stripe: Stripe) -> None:
    answer = stripe.send("GET", "/v1/customers/cus_unknown")
    assert (answer.status, answer.body["error"]["code"]) == (404, "resource_missing")


def test_lists_are_newest_first_in_pages_and_case_sensitive(stripe: Stripe) -> None:
    for number in range(5):
        stripe.create(f"u{number}@example.com")
    stripe.create("U1@example.com")
    first = stripe.list(limit=4)
    assert emails(first) == ["U1@example.com", "u4@example.com", "u3@example.com", "u2@example.com"]
    assert first.body["has_more"] is True
    rest = stripe.list(limit=4, starting_after=first.body["data"][-1]["id"])
    assert (emails(rest), rest.body["has_more"]) == (["u1@example.com", "u0@example.com"], False)
    assert emails(stripe.list(email="u1@example.com")) == ["u1@example.com"]


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "101"}, {"limit": "x"}])
def test_a_limit_out_of_range_is_refused(stripe: Stripe, query: dict[str, str]) -> None:
    assert stripe.list(**query).status == 400


def test_the_same_key_replays_the_first_answer(stripe: Stripe) -> None:
    first = stripe.create(key="k-1")
    again = stripe.create(key="k-1")
    assert again.body == first.body
    assert len(stripe.customers()) == 1
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Original-Request"] == first.headers["Request-Id"]


def test_a_key_expires_after_a_day(stripe: Stripe) -> None:
    stripe.create(key="k-1")
    stripe.clock.advance(KEY_LIFETIME_SECONDS - 1)
    assert stripe.create(key="k-1").headers["Idempotent-Replayed"] == "true"
    stripe.clock.advance(1)
    assert "Idempotent-Replayed" not in stripe.create(key="k-1").headers
    assert len(stripe.customers()) == 2


def test_other_parameters_under_the_same_key_are_an_idempotency_error(stripe: Stripe) -> None:
    stripe.create(key="k-1")
    answer = stripe.create(key="k-1", name="Ada")
    assert (answer.status, answer.body["error"]["type"]) == (400, "idempotency_error")


def test_a_key_is_in_use_while_its_first_request_runs(stripe: Stripe) -> None:
    stripe.faults.add(Fault("latency", seconds=3))
    assert stripe.create(key="k-1").delay_seconds == 3
    answer = stripe.create(key="k-1")
    assert (answer.status, answer.body["error"]["code"]) == (409, "idempotency_key_in_use")
    stripe.clock.advance(3)
    assert stripe.create(key="k-1").headers["Idempotent-Replayed"] == "true"


@pytest.mark.parametrize("applied", [True, False])
def test_a_stored_500_is_replayed_whether_or_not_the_customer_was_created(stripe: Stripe, applied: bool) -> None:
    stripe.faults.add(Fault("stored_500", applied=applied))
    first, again = stripe.create(key="k-1"), stripe.create(key="k-1")
    assert (first.status, again.status) == (500, 500)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(stripe.customers()) == int(applied)
    assert stripe.create(key="k-2").status == 200


@pytest.mark.parametrize("kind", ["server_error", "timeout"])
def test_a_lost_answer_is_replayed_for_the_same_key(stripe: Stripe, kind: str) -> None:
    stripe.faults.add(Fault(kind, applied=True))
    first = stripe.create(key="k-1")
    assert first.answered is (kind == "server_error")
    again = stripe.create(key="k-1")
    assert (again.status, again.headers["Idempotent-Replayed"]) == (200, "true")
    assert len(stripe.customers()) == 1


@pytest.mark.parametrize("kind", ["server_error", "timeout", "rate_limited", "unauthorized", "refused"])
def test_a_fault_that_was_not_applied_stores_nothing_under_the_key(stripe: Stripe, kind: str) -> None:
    stripe.faults.add(Fault(kind))
    assert stripe.create(key="k-1").status != 200
    assert stripe.customers() == []
    assert "Idempotent-Replayed" not in stripe.create(key="k-1").headers


def test_a_fault_applies_to_its_operation_and_match_and_ends_after_its_count(stripe: Stripe) -> None:
    stripe.faults.add(Fault("server_error", operation="create", times=2, match="ada@example.com", status=503))
    assert stripe.create("ben@example.com").status == 200
    assert stripe.list(email="ada@example.com").status == 200
    assert [stripe.create().status for _ in range(3)] == [503, 503, 200]


def test_a_fault_without_a_count_lasts_until_cleared(stripe: Stripe) -> None:
    stripe.faults.add(Fault("rate_limited", times=None, seconds=2))
    assert {stripe.create().headers["Retry-After"] for _ in range(5)} == {"2"}
    stripe.faults.clear()
    assert stripe.create().status == 200


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer sk_test_other", "Basic !!", "Basic " + base64.b64encode(b"sk_test_other:").decode(), "Digest x"],
)
def test_a_request_without_the_accepted_key_is_refused(stripe: Stripe, authorization: str) -> None:
    assert stripe.send("GET", "/v1/customers", authorization=authorization).status == 401


def test_basic_authentication_and_rotated_keys_work(stripe: Stripe) -> None:
    basic = "Basic " + base64.b64encode(f"{LOCAL_KEY}:".encode()).decode()
    assert stripe.send("GET", "/v1/customers", authorization=basic).status == 200
    stripe.accepted_key = "sk_test_next"
    assert stripe.list().status == 401
    assert stripe.send("GET", "/v1/customers", authorization="Bearer sk_test_next").status == 200


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"email": "no-at-sign"}, "email_invalid"),
        ({"colour": "red"}, "parameter_unknown"),
        ({f"metadata[{n}]": "v" for n in range(51)}, "parameter_invalid_string"),
        ({"metadata[k]": "v" * 501}, "parameter_invalid_string"),
    ],
)
def test_invalid_parameters_are_refused_and_not_stored(stripe: Stripe, parameters: dict[str, str], code: str) -> None:
    answer = stripe.send("POST", "/v1/customers", parameters, key="k-1")
    assert (answer.status, answer.body["error"]["code"]) == (400, code)
    assert stripe.create(key="k-1").status == 200


def test_every_call_is_logged_with_its_outcome(stripe: Stripe) -> None:
    stripe.faults.add(Fault("timeout"))
    stripe.create(key="k-1")
    stripe.list()
    assert [(c.operation, c.status, c.answered, c.fault, c.idempotency_key) for c in stripe.calls] == [
        ("create", 500, False, "timeout", "k-1"),
        ("list", 200, True, None, None),
    ]
