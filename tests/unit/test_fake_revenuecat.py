"""The fake RevenueCat without HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from onramp.local.fakes.faults import Fault
from onramp.local.fakes.messages import Request, Response
from onramp.local.fakes.revenuecat import LOCAL_KEY, LOCAL_PROJECT, LOCAL_V1_KEY, FakeRevenueCat

CUSTOMERS = f"/v2/projects/{LOCAL_PROJECT}/customers"
SUB = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


class RevenueCat(FakeRevenueCat):
    """The fake with a fixed clock and helpers for requests."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: 1_800_000_000.0)

    def send(
        self, method: str, path: str, body: Any = None, key: str = LOCAL_KEY, kind: str = "application/json"
    ) -> Response:
        headers = {"authorization": f"Bearer {key}", "content-type": kind}
        return self.handle(Request(method, path, "", headers, b"" if body is None else json.dumps(body).encode()))

    def create(self, customer_id: Any = SUB) -> Response:
        return self.send("POST", CUSTOMERS, {"id": customer_id, "attributes": [{"name": "$email", "value": "a@b.c"}]})


@pytest.fixture
def revenuecat() -> RevenueCat:
    return RevenueCat()


def test_a_customer_is_created_retrieved_and_deleted(revenuecat: RevenueCat) -> None:
    created = revenuecat.create()
    assert (created.status, created.body["id"], created.body["first_seen_at"]) == (201, SUB, 1_800_000_000_000)
    assert created.body["attributes"]["items"] == [{"name": "$email", "value": "a@b.c"}]
    assert revenuecat.send("GET", f"{CUSTOMERS}/{SUB}").body == created.body
    assert revenuecat.send("DELETE", f"{CUSTOMERS}/{SUB}").status == 200
    assert revenuecat.send("GET", f"{CUSTOMERS}/{SUB}").body["type"] == "resource_missing"


def test_a_second_customer_with_the_same_id_already_exists(revenuecat: RevenueCat) -> None:
    revenuecat.create()
    again = revenuecat.create()
    assert (again.status, again.body["type"], again.body["retryable"]) == (409, "resource_already_exists", False)
    assert len(revenuecat.customers()) == 1


@pytest.mark.parametrize("customer_id", ["ada@example.com", "", "a b", "ä", None, 7.5])
def test_an_id_with_other_characters_is_a_parameter_error(revenuecat: RevenueCat, customer_id: Any) -> None:
    answer = revenuecat.create(customer_id)
    assert (answer.status, answer.body["type"], answer.body["param"]) == (400, "parameter_error", "id")


def test_a_body_that_is_not_json_is_an_invalid_request(revenuecat: RevenueCat) -> None:
    assert revenuecat.send("POST", CUSTOMERS, {"id": SUB}, kind="text/plain").body["type"] == "invalid_request"


@pytest.mark.parametrize("key", ["", "sk_other", LOCAL_V1_KEY])
def test_a_key_that_is_not_the_accepted_v2_key_is_refused(revenuecat: RevenueCat, key: str) -> None:
    answer = revenuecat.send("POST", CUSTOMERS, {"id": SUB}, key=key)
    assert (answer.status, answer.body["type"]) == (401, "authentication_error")


def test_another_project_is_forbidden(revenuecat: RevenueCat) -> None:
    assert revenuecat.send("POST", "/v2/projects/proj_other/customers", {"id": SUB}).status == 403


@pytest.mark.parametrize("path", ["/v1/subscribers/x", "/v2/projects", f"{CUSTOMERS}/{SUB}/aliases"])
def test_an_unknown_path_is_a_404(revenuecat: RevenueCat, path: str) -> None:
    assert revenuecat.send("GET", path).status == 404


@pytest.mark.parametrize(
    ("fault", "status", "kind", "retryable", "backoff_ms"),
    [
        (Fault("rate_limited", seconds=2), 429, "rate_limit_error", True, 2000),
        (Fault("server_error", status=503, seconds=1), 503, "server_error", True, 1000),
        (Fault("server_error"), 500, "server_error", True, None),
        (Fault("stored_500"), 500, "server_error", True, None),
        (Fault("refused"), 422, "unprocessable_entity_error", False, None),
        (Fault("refused", status=423), 423, "resource_locked_error", True, None),
        (Fault("unauthorized", status=403), 403, "authorization_error", False, None),
    ],
)
def test_faults_answer_as_revenuecat_would(
    revenuecat: RevenueCat, fault: Fault, status: int, kind: str, retryable: bool, backoff_ms: int | None
) -> None:
    revenuecat.faults.add(fault)
    answer = revenuecat.create()
    assert (answer.status, answer.body["type"], answer.body["retryable"]) == (status, kind, retryable)
    assert answer.body.get("backoff_ms") == backoff_ms
    assert revenuecat.customers() == []


def test_a_retry_after_a_lost_answer_is_already_exists(revenuecat: RevenueCat) -> None:
    revenuecat.faults.add(Fault("timeout", applied=True))
    assert revenuecat.create().answered is False
    assert revenuecat.create().status == 409


def test_latency_is_returned_and_not_slept(revenuecat: RevenueCat) -> None:
    revenuecat.faults.add(Fault("latency", seconds=30))
    answer = revenuecat.create()
    assert (answer.status, answer.delay_seconds) == (201, 30)
