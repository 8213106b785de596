"""The fakes over HTTP, called by the official Stripe SDK and by a plain HTTP client."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
import stripe
import urllib3

from onramp.local.fakes import revenuecat
from onramp.local.fakes import stripe as fake_stripe
from onramp.local.fakes.client import FakeControl, FakeControlError
from onramp.local.stack import LocalStack
from tests.deployed import eventually, unique_email

SUB = "7c9e6679-7425-40de-944b-e07fc1f90ae7"


@pytest.fixture
def control(toy: LocalStack) -> Iterator[FakeControl]:
    control = FakeControl(toy.fakes["stripe"])
    yield control
    control.clear()
    control.accept_key(fake_stripe.LOCAL_KEY)


@pytest.fixture
def sdk(toy: LocalStack) -> stripe.StripeClient:
    return client(toy)


def client(toy: LocalStack, key: str = fake_stripe.LOCAL_KEY, timeout: float = 5.0) -> stripe.StripeClient:
    return stripe.StripeClient(
        key,
        base_addresses={"api": toy.fakes["stripe"]},
        http_client=stripe.RequestsClient(timeout=timeout),
        max_network_retries=0,
    )


def create(sdk: stripe.StripeClient, email: str, key: str | None = None, **more: Any) -> stripe.Customer:
    options: Any = {"idempotency_key": key} if key else {}
    body: Any = {"email": email, "metadata": {"cognitoSub": SUB}, **more}
    return sdk.v1.customers.create(body, options)


def test_customers_are_created_listed_in_pages_retrieved_and_deleted(sdk: stripe.StripeClient) -> None:
    email = unique_email()
    created = [create(sdk, email).id for _ in range(3)]
    listed = sdk.v1.customers.list({"email": email, "limit": 2})
    assert [customer.id for customer in listed.auto_paging_iter()] == created[::-1]
    retrieved = sdk.v1.customers.retrieve(created[0])
    assert retrieved.metadata is not None
    assert (retrieved.email, retrieved.metadata["cognitoSub"]) == (email, SUB)
    assert sdk.v1.customers.delete(created[0]).deleted is True
    assert [customer.id for customer in sdk.v1.customers.list({"email": email})] == created[:0:-1]


def test_a_replay_is_marked_and_creates_no_second_customer(sdk: stripe.StripeClient, control: FakeControl) -> None:
    email = unique_email()
    first, again = create(sdk, email, key=email), create(sdk, email, key=email)
    assert first.id == again.id
    assert first.last_response is not None
    assert again.last_response is not None
    assert "Idempotent-Replayed" not in first.last_response.headers
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    control.advance(fake_stripe.KEY_LIFETIME_SECONDS)
    assert create(sdk, email, key=email).id != first.id


def test_the_sdk_maps_every_kind_of_error(toy: LocalStack, sdk: stripe.StripeClient, control: FakeControl) -> None:
    email = unique_email()
    create(sdk, email, key=email)
    with pytest.raises(stripe.IdempotencyError):
        create(sdk, email, key=email, name="Other")
    with pytest.raises(stripe.InvalidRequestError, match="email"):
        create(sdk, "no-at-sign")
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        sdk.v1.customers.retrieve("cus_unknown")
    with pytest.raises(stripe.AuthenticationError):
        create(client(toy, "sk_test_other"), email)
    faults: list[tuple[dict[str, Any], type[stripe.StripeError]]] = [
        ({"kind": "rate_limited", "seconds": 2.0}, stripe.RateLimitError),
        ({"kind": "server_error", "status": 503}, stripe.APIError),
        ({"kind": "unauthorized", "status": 403}, stripe.PermissionError),
        ({"kind": "refused"}, stripe.InvalidRequestError),
    ]
    for kind, error in faults:
        control.fault(**kind)
        with pytest.raises(error):
            create(sdk, email)


def test_retry_after_reaches_the_caller(sdk: stripe.StripeClient, control: FakeControl) -> None:
    control.fault("rate_limited", seconds=7)
    with pytest.raises(stripe.RateLimitError) as error:
        create(sdk, unique_email())
    assert error.value.headers is not None
    assert error.value.headers["Retry-After"] == "7"


def test_a_stored_500_is_replayed(sdk: stripe.StripeClient, control: FakeControl) -> None:
    email = unique_email()
    control.fault("stored_500", applied=True)
    for replayed in (None, "true"):
        with pytest.raises(stripe.APIError) as error:
            create(sdk, email, key=email)
        assert error.value.http_status == 500
        assert error.value.headers is not None
        assert error.value.headers.get("Idempotent-Replayed") == replayed
    assert len(list(sdk.v1.customers.list({"email": email}))) == 1


def test_a_key_in_use_is_a_409_while_the_first_request_runs(sdk: stripe.StripeClient, control: FakeControl) -> None:
    email = unique_email()
    control.fault("latency", seconds=1.0, match=email)
    slow = Thread(target=create, args=(sdk, email, email))
    slow.start()
    eventually(lambda: any(call["idempotency_key"] == email for call in control.calls()))
    with pytest.raises(stripe.APIError) as error:
        create(sdk, email, key=email)
    assert error.value.error is not None
    assert (error.value.http_status, error.value.error.code) == (409, "idempotency_key_in_use")
    slow.join()
    assert len(list(sdk.v1.customers.list({"email": email}))) == 1


def test_a_timeout_is_a_connection_error_and_the_work_may_be_done(toy: LocalStack, control: FakeControl) -> None:
    email = unique_email()
    control.fault("timeout", applied=True)
    with pytest.raises(stripe.APIConnectionError):
        create(client(toy, timeout=0.3), email, key=email)
    assert [customer["email"] for customer in control.customers() if customer["email"] == email] == [email]


def test_the_accepted_key_can_be_rotated(toy: LocalStack, sdk: stripe.StripeClient, control: FakeControl) -> None:
    control.accept_key("sk_test_next")
    with pytest.raises(stripe.AuthenticationError):
        create(sdk, unique_email())
    create(client(toy, "sk_test_next"), unique_email())


def test_basic_authentication_works(toy: LocalStack) -> None:
    basic = base64.b64encode(f"{fake_stripe.LOCAL_KEY}:".encode()).decode()
    with urllib3.PoolManager() as http:
        url = f"{toy.fakes['stripe']}/v1/customers"
        assert http.request("GET", url, headers={"authorization": f"Basic {basic}"}).status == 200


def test_an_invalid_control_request_is_rejected(toy: LocalStack) -> None:
    with pytest.raises(FakeControlError, match="kind"):
        FakeControl(toy.fakes["stripe"]).fault("earthquake")  # type: ignore[arg-type]


def test_revenuecat_answers_with_backoff(toy: LocalStack) -> None:
    control = FakeControl(toy.fakes["revenuecat"])
    url = f"{toy.fakes['revenuecat']}/v2/projects/{revenuecat.LOCAL_PROJECT}/customers"
    headers = {"authorization": f"Bearer {revenuecat.LOCAL_KEY}", "content-type": "application/json"}
    body = json.dumps({"id": SUB, "attributes": []})
    control.fault("rate_limited", seconds=2)
    with urllib3.PoolManager(retries=False) as http:
        limited, created, again = (http.request("POST", url, headers=headers, body=body) for _ in range(3))
    assert (limited.status, limited.json()["backoff_ms"], limited.headers["Retry-After"]) == (429, 2000, "2000")
    assert (created.status, created.json()["id"]) == (201, SUB)
    assert (again.status, again.json()["type"]) == (409, "resource_already_exists")
    assert [customer["id"] for customer in control.customers()] == [SUB]


def test_there_is_no_other_fake(toy: LocalStack) -> None:
    with urllib3.PoolManager() as http:
        assert http.request("GET", f"{toy.endpoint}/_fakes/paypal/v1").status == 404
