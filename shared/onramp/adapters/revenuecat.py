"""RevenueCat's REST API v2 over urllib3, a dependency of boto3 and Stripe's SDK; there is no Python SDK."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import quote

import urllib3

from onramp.adapters.http import retry_after, word
from onramp.adapters.secrets import Secret, with_key
from onramp.domain.errors import KeyRejected, PermanentError, RetryableError

TIMEOUT = urllib3.Timeout(connect=3.0, read=8.0)


class Http(Protocol):
    """The part of urllib3's PoolManager that is used."""

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes,
        headers: Mapping[str, str],
        timeout: urllib3.Timeout,
        retries: bool,
    ) -> urllib3.BaseHTTPResponse: ...


class RevenueCatSubscribers:
    """The `Subscribers` port. `pace` waits until the rate limit allows the next request."""

    def __init__(self, secret: Secret, base_url: str, project_id: str, pace: Callable[[], None], http: Http) -> None:
        self._secret = secret
        self._url = f"{base_url.rstrip('/')}/v2/projects/{quote(project_id, safe='')}/customers"
        self._pace = pace
        self._http = http

    def ensure(self, customer_id: str, attributes: Mapping[str, str]) -> None:
        body = {
            "id": customer_id,
            "attributes": [{"name": name, "value": value} for name, value in attributes.items()],
        }
        with_key(self._secret, lambda key: self._ask(key, "POST", self._url, json.dumps(body).encode()))

    def delete(self, customer_id: str) -> bool:
        """False where RevenueCat has no such customer."""
        url = f"{self._url}/{quote(customer_id, safe='')}"
        return with_key(self._secret, lambda key: self._ask(key, "DELETE", url, b"", absent=404))

    def _ask(self, key: str, method: str, url: str, body: bytes, *, absent: int | None = None) -> bool:
        """False where the answer's status is `absent`."""
        self._pace()
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        try:
            reply = self._http.request(method, url, body=body, headers=headers, timeout=TIMEOUT, retries=False)
        except urllib3.exceptions.HTTPError as error:
            raise RetryableError("revenuecat_unreachable") from error
        if reply.status == absent:
            return False
        if not 200 <= reply.status < 300:
            _raise_for(reply)
        return True


def _raise_for(reply: urllib3.BaseHTTPResponse) -> None:
    """Returns where the customer exists already, which is a success; else raises the error for the answer."""
    status, error = reply.status, _error(reply)
    kind = word(error.get("type"))
    if status == 409 and kind == "resource_already_exists":
        return
    if status in (401, 403):
        raise KeyRejected("revenuecat", status)
    if status < 400 or status in (408, 409, 423, 429) or status >= 500 or error.get("retryable") is True:
        raise RetryableError(f"revenuecat_{status}", delay=_delay(error, reply.headers))
    raise PermanentError(f"revenuecat_refused_{status}", code=kind)


def _error(reply: urllib3.BaseHTTPResponse) -> dict[str, Any]:
    try:
        error = json.loads(reply.data)
    except (ValueError, RecursionError):
        return {}
    return error if isinstance(error, dict) else {}


def _delay(error: Mapping[str, Any], headers: Mapping[str, str]) -> float | None:
    """Seconds. `backoff_ms` first: RevenueCat's documentation gives two units for `Retry-After`."""
    backoff = error.get("backoff_ms")
    if isinstance(backoff, int | float) and not isinstance(backoff, bool):
        return max(0.0, backoff / 1000)
    return retry_after(headers)
