"""Stripe and RevenueCat in memory: the real adapters over the fakes' state machines, without a socket.

The fakes return how long an answer takes and whether it is sent; here that becomes virtual time and the SDK's own
connection errors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import urlsplit

import stripe
import urllib3

from onramp.local.fakes.messages import Request, Response
from onramp.local.fakes.provider import FakeProvider
from tests.fakes.client import VirtualClock

READ_TIMEOUT = 8.0


class UnparsedBody(str):
    """A body that is sent as it is, without JSON encoding: the answer of a proxy in between."""


def _on_the_wire(body: Any) -> str:
    return body if isinstance(body, UnparsedBody) else json.dumps(body)


def exchange(
    provider: FakeProvider, clock: VirtualClock, method: str, url: str, headers: Mapping[str, str], body: bytes
) -> Response | None:
    """The provider's answer, or None if there is none within the adapters' read timeout."""
    parts = urlsplit(url)
    lower = {name.lower(): value for name, value in headers.items()}
    response = provider.handle(Request(method, parts.path, parts.query, lower, body))
    if not response.answered or response.delay_seconds > READ_TIMEOUT:
        clock.advance(READ_TIMEOUT)
        return None
    clock.advance(response.delay_seconds)
    return response


class StripeInMemory(stripe.HTTPClient):
    """An HTTP client for the official SDK."""

    name = "in-memory"

    def __init__(self, provider: FakeProvider, clock: VirtualClock) -> None:
        super().__init__()
        self._provider = provider
        self._clock = clock

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None, **_: Any
    ) -> tuple[str, int, Mapping[str, str]]:
        body = (post_data or "").encode()
        response = exchange(self._provider, self._clock, method.upper(), url, headers or {}, body)
        if response is None:
            raise stripe.APIConnectionError("Read timed out")  # type: ignore[no-untyped-call]
        return _on_the_wire(response.body), response.status, response.headers

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class Reply:
    """The part of a urllib3 response that the adapter reads."""

    status: int
    data: bytes
    headers: Mapping[str, str]


class HttpInMemory:
    """The part of urllib3's PoolManager that the RevenueCat adapter uses."""

    def __init__(self, provider: FakeProvider, clock: VirtualClock) -> None:
        self._provider = provider
        self._clock = clock

    def request(self, method: str, url: str, *, body: bytes, headers: Mapping[str, str], **_: Any) -> Any:
        response = exchange(self._provider, self._clock, method, url, headers, body)
        if response is None:
            self._timed_out(url)
        return Reply(response.status, _on_the_wire(response.body).encode(), response.headers)

    def _timed_out(self, url: str) -> NoReturn:
        raise urllib3.exceptions.ReadTimeoutError(urllib3.HTTPConnectionPool("fake"), url, "Read timed out")
