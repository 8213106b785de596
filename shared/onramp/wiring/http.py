"""HTTPS to the providers. Separate from `clients`, so that the trigger does not import Stripe's SDK.

All connections share one TLS context: OpenSSL takes 20 ms of processor time to parse the roots for each new context,
and a batch opens twenty connections at once.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import cache
from typing import Any

import certifi
import stripe
import urllib3

from onramp.adapters.stripe import TIMEOUT_SECONDS

CONNECTIONS = 10
"""Kept open to each provider: one for each record of a batch."""


class StripeHttp(stripe.HTTPClient):
    """Stripe's SDK over urllib3, which neither retries nor follows a redirect here: the page behind a redirect might
    answer 404, which would be a final refusal of the user.
    """

    name = "urllib3"

    def __init__(self, pool: urllib3.PoolManager) -> None:
        super().__init__()
        self._pool = pool

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        connect, read = TIMEOUT_SECONDS
        try:
            reply = self._pool.request(
                method.upper(),
                url,
                body=post_data,
                headers=headers,
                timeout=urllib3.Timeout(connect=connect, read=read),
                retries=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise stripe.APIConnectionError(type(error).__name__) from error  # type: ignore[no-untyped-call]
        return reply.data.decode("utf-8", "replace"), reply.status, reply.headers

    def close(self) -> None:
        self._pool.clear()


def for_stripe() -> stripe.HTTPClient:
    return StripeHttp(_pool())


def for_revenuecat() -> urllib3.PoolManager:
    """Its caller passes `retries=False`: it follows no redirect either."""
    return _pool()


@cache
def _pool() -> urllib3.PoolManager:
    context = ssl.create_default_context()  # the system's roots, or those of SSL_CERT_FILE
    context.load_verify_locations(certifi.where())
    return urllib3.PoolManager(maxsize=CONNECTIONS, ssl_context=context)
