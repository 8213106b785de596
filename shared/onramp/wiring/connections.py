"""Opens connections during init, and with them finds out whether the artifact's certificate roots are enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from threading import Thread
from typing import Any

from botocore.awsrequest import AWSRequest
from botocore.exceptions import SSLError

SECONDS = 1.0
"""The longest wait for the connections: Cognito's five seconds include init."""


def open_connections(clients: Iterable[Any]) -> Callable[[], bool]:
    """Opens a connection for each AWS client with one `GET /`, each in a thread, and raises nothing.

    The result waits for them. It is False where the certificate of an endpoint is not trusted: a request would fail
    too.
    """
    deadline = time.monotonic() + SECONDS
    untrusted: list[SSLError] = []
    threads = [Thread(target=_open, args=(client, untrusted), daemon=True) for client in clients]
    for thread in threads:
        thread.start()

    def all_are_trusted() -> bool:
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not untrusted

    return all_are_trusted


def _open(client: Any, untrusted: list[SSLError]) -> None:
    """Leaves it in the client's own pool, which only a private attribute of botocore reaches."""
    with suppress(Exception):
        try:
            client._endpoint.http_session.send(AWSRequest("GET", client.meta.endpoint_url).prepare())
        except SSLError as error:
            untrusted.append(error)
