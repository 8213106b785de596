"""The providers' clients over real HTTP and TLS: redirects, certificates, closed connections."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import certifi
import pytest

from onramp.adapters.revenuecat import RevenueCatSubscribers
from onramp.adapters.stripe import StripeCustomers
from onramp.domain.errors import RetryableError
from onramp.wiring import http
from tests.tls_aws import write_certificate


class Secret:
    def get(self, *, fresh: bool = False) -> str:
        return "key"


def create_in_stripe(url: str) -> None:
    customers = StripeCustomers(Secret(), url, lambda: None, http.for_stripe())
    customers.create({"email": "nia@example.com", "metadata": {}}, "key-1")


def create_in_revenuecat(url: str) -> None:
    RevenueCatSubscribers(Secret(), url, "project", lambda: None, http.for_revenuecat()).ensure("sub", {})


CREATE = {"stripe": create_in_stripe, "revenuecat": create_in_revenuecat}
each_provider = pytest.mark.parametrize("provider", list(CREATE))


@contextmanager
def served(handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address of a server on loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Prints nothing."""

    def read_body(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class Customer(Quiet):
    """A reply that both providers could give."""

    def do_POST(self) -> None:
        self.read_body()
        self.answer(200, b'{"object": "customer", "id": "cus_1"}')


@each_provider
@pytest.mark.parametrize("status", [302, 307])
def test_no_redirect_is_followed(provider: str, status: int) -> None:
    """A 404 behind the redirect would refuse the user for good."""
    paths: list[str] = []

    class Redirecting(Quiet):
        def do_POST(self) -> None:
            self.read_body()
            self.do_GET()

        def do_GET(self) -> None:
            paths.append(self.path)
            self.answer(404 if self.path == "/elsewhere" else status, Location="/elsewhere")

    with served(Redirecting) as url, pytest.raises(RetryableError) as raised:
        CREATE[provider](url)
    assert (raised.value.code, len(paths)) == (f"{provider}_{status}", 1)


@each_provider
def test_a_connection_that_is_closed_without_an_answer_is_tried_again_by_the_queue_only(provider: str) -> None:
    requests = []

    class Closing(Quiet):
        def do_POST(self) -> None:
            requests.append(self.path)
            self.read_body()
            self.close_connection = True

    with served(Closing) as url, pytest.raises(RetryableError) as raised:
        CREATE[provider](url)
    assert (raised.value.code, len(requests)) == (f"{provider}_unreachable", 1)


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[ssl.SSLContext]:
    """A server's certificate, which `tmp_path / "certificate.pem"` is; the pool of this process is a new one."""
    write_certificate(tmp_path / "certificate.pem", tmp_path / "key.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    http._pool.cache_clear()
    yield context
    http._pool.cache_clear()


@each_provider
def test_a_certificate_that_is_not_trusted_is_refused(provider: str, tls: ssl.SSLContext) -> None:
    with served(Customer, tls) as url, pytest.raises(RetryableError) as raised:
        CREATE[provider](url)
    assert raised.value.code == f"{provider}_unreachable"


@each_provider
def test_a_root_of_the_operators_network_is_trusted(
    provider: str, tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    with served(Customer, tls) as url:
        CREATE[provider](url)


def test_the_roots_are_loaded_once_for_all_connections(
    tls: ssl.SSLContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = []
    load = ssl.SSLContext.load_verify_locations

    def counted(context: ssl.SSLContext, *arguments: Any, **options: Any) -> None:
        loads.append(context)
        load(context, *arguments, **options)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counted)
    monkeypatch.setattr(certifi, "where", lambda: str(tmp_path / "certificate.pem"))
    http.for_stripe()  # before the threads, as during the worker's init
    with served(Customer, tls) as url, ThreadPoolExecutor(10) as threads:
        list(threads.map(lambda create: create(url), [*CREATE.values()] * 10))
    assert len(loads) == 1
