"""Stripe's customers through the official SDK. It does not retry: the queue does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import stripe

from onramp.adapters.http import header, retry_after, word
from onramp.adapters.secrets import Secret, with_key
from onramp.domain.errors import KeyRejected, PermanentError, RetryableError
from onramp.enrichers.stripe import Customer, ReplayedFailure

if TYPE_CHECKING:
    from stripe.params import CustomerListParams

API_VERSION = "2026-10-28.endive"
TIMEOUT_SECONDS = (3.0, 8.0)  # connect, read
PAGE = 100


class StripeCustomers:
    """The `Customers` port. `pace` waits until the rate limit allows the next request."""

    def __init__(
        self,
        secret: Secret,
        base_url: str,
        pace: Callable[[], None],
        http: stripe.HTTPClient,
    ) -> None:
        def client(key: str) -> stripe.StripeClient:
            return stripe.StripeClient(
                key,
                stripe_version=API_VERSION,
                base_addresses={"api": base_url},
                max_network_retries=0,
                http_client=http,
            )

        self._secret = secret
        self._pace = pace
        self._client = lru_cache(maxsize=1)(client)

    def create(self, body: Mapping[str, Any], key: str) -> str:
        def post(api_key: str) -> str:
            with self._request():
                customer = self._client(api_key).v1.customers.create(
                    params=dict(body),  # type: ignore[arg-type]  # the stored body is JSON, not the SDK's TypedDict
                    options={"idempotency_key": key},
                )
                return _text(customer, "id")

        return with_key(self._secret, post)

    def get(self, customer_id: str) -> Customer | None:
        """None where Stripe has no such customer, or deleted it."""

        def fetch(api_key: str) -> stripe.Customer:
            with self._request():
                return self._client(api_key).v1.customers.retrieve(customer_id)

        try:
            found = with_key(self._secret, fetch)
        except PermanentError as error:
            if error.code != "resource_missing":
                raise
            return None
        return None if getattr(found, "deleted", False) else _customer(found)

    def delete(self, customer_id: str) -> bool:
        """False where Stripe has no such customer, or deleted it before."""

        def erase(api_key: str) -> None:
            with self._request():
                self._client(api_key).v1.customers.delete(customer_id)

        try:
            with_key(self._secret, erase)
        except PermanentError as error:
            if error.code != "resource_missing":
                raise
            return False
        return True

    def with_email(self, email: str) -> Iterator[Customer]:
        """Uses `list`, which is consistent; `search` lags behind writes."""
        page = self._page({"email": email, "limit": PAGE})
        yield from map(_customer, page.data)
        while page.has_more and page.data:
            page = self._page({"email": email, "limit": PAGE, "starting_after": page.data[-1].id})
            yield from map(_customer, page.data)

    def _page(self, params: CustomerListParams) -> stripe.ListObject[stripe.Customer]:
        def fetch(api_key: str) -> stripe.ListObject[stripe.Customer]:
            with self._request():
                return self._client(api_key).v1.customers.list(params)

        return with_key(self._secret, fetch)

    @contextmanager
    def _request(self) -> Iterator[None]:
        self._pace()
        try:
            yield
        except stripe.StripeError as error:
            raise _translated(error) from error


def _translated(error: stripe.StripeError) -> Exception:
    """Translates by HTTP status: the SDK's error classes do not distinguish a 409 from a 500."""
    status, headers = error.http_status, error.headers or {}
    match status:
        case None:
            return RetryableError("stripe_unreachable")
        case 401 | 403:
            return KeyRejected("stripe", status)
        case _ if 200 <= status < 300:  # a success that the SDK could not read: the same key will return it
            return RetryableError("stripe_malformed_reply")
        case _ if status < 400 or status in (408, 409, 429):
            return RetryableError(f"stripe_{status}", delay=retry_after(headers))
        case _ if status >= 500:
            replayed = header(headers, "Idempotent-Replayed") == "true"
            return ReplayedFailure() if replayed else RetryableError(f"stripe_{status}", delay=retry_after(headers))
    return PermanentError(f"stripe_refused_{status}", code=word(error.code))


def _customer(entry: stripe.Customer) -> Customer:
    metadata = {str(name): str(value) for name, value in (entry.metadata.to_dict() if entry.metadata else {}).items()}
    return Customer(_text(entry, "id"), entry.created, metadata)


def _text(entry: stripe.Customer, field: str) -> str:
    value = getattr(entry, field, None)
    if not isinstance(value, str):
        raise RetryableError("stripe_malformed_reply")
    return value
