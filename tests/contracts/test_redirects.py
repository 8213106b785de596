"""A provider that redirects, over real HTTP: no client follows, so a 404 behind the redirect refuses no user."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from onramp.adapters.revenuecat import RevenueCatSubscribers
from onramp.adapters.stripe import StripeCustomers
from onramp.domain.errors import RetryableError
from onramp.wiring import http


class Secret:
    def get(self, *, fresh: bool = False) -> str:
        return "key"


def create_in_stripe(url: str) -> None:
    customers = StripeCustomers(Secret(), url, lambda: None, http.for_stripe())
    customers.create({"email": "nia@example.com", "metadata": {}}, "key-1")


def create_in_revenuecat(url: str) -> None:
    RevenueCatSubscribers(Secret(), url, "project", lambda: None, http.for_revenuecat(1)).ensure("sub", {})


CREATE = {"stripe": create_in_stripe, "revenuecat": create_in_revenuecat}


@contextmanager
def redirecting(status: int) -> Iterator[tuple[str, list[str]]]:
    """The address of a server that redirects to a page that it does not have, and the paths that it was asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.do_GET()

        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(404 if self.path == "/elsewhere" else status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Prints nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", paths
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("status", [302, 307])
@pytest.mark.parametrize("provider", ["stripe", "revenuecat"])
def test_no_redirect_is_followed(provider: str, status: int) -> None:
    with redirecting(status) as (url, paths), pytest.raises(RetryableError) as raised:
        CREATE[provider](url)
    assert (raised.value.code, len(paths)) == (f"{provider}_{status}", 1)
