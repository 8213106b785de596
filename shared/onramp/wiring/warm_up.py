"""Moves the cost of an environment's first signup into init.

The first call through botocore fills caches and opens a connection: with the bytecode in place it takes ten times the
processor time of the second call. docs/performance.md has the figures.
"""

from __future__ import annotations

import gc
import io
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Thread
from typing import Any

from botocore.awsrequest import AWSRequest, AWSResponse, HeadersDict
from botocore.exceptions import SSLError
from urllib3 import HTTPResponse

SECONDS = 1.0
"""The longest wait for the connections: Cognito's five seconds include init."""


def warm_up(rehearsal: Callable[[], object], replies: Mapping[Any, bytes]) -> bool:
    """Runs `rehearsal` while each client answers with its reply, and opens a connection for each client.

    Sends nothing but one `GET /` to each endpoint. Raises nothing: without it, only the first signup takes longer.
    Returns False where the certificate of an endpoint is not trusted: a request would fail too.
    """
    deadline = time.monotonic() + SECONDS
    untrusted: list[SSLError] = []
    threads = [Thread(target=_open_connection, args=(client, untrusted), daemon=True) for client in replies]
    for thread in threads:
        thread.start()
    with suppress(Exception):
        _rehearse(rehearsal, replies)
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    # What exists now stays until the environment ends: no later collection has to look at it.
    gc.freeze()
    return not untrusted


def _rehearse(rehearsal: Callable[[], object], replies: Mapping[Any, bytes]) -> None:
    """botocore sends no request for which a `before-send` handler returns a reply."""
    handlers = {client: _answer(body) for client, body in replies.items()}
    for client, handler in handlers.items():
        client.meta.events.register_first("before-send", handler)
    try:
        rehearsal()
    finally:
        for client, handler in handlers.items():
            client.meta.events.unregister("before-send", handler)


def _answer(body: bytes) -> Callable[..., AWSResponse]:
    headers: Any = HeadersDict()

    def answer(request: Any, **_: Any) -> AWSResponse:
        raw: Any = HTTPResponse(io.BytesIO(body), preload_content=False)
        return AWSResponse(request.url, 200, headers, raw)

    return answer


def _open_connection(client: Any, untrusted: list[SSLError]) -> None:
    """Leaves it in the client's own pool, which only a private attribute of botocore reaches."""
    with suppress(Exception):
        try:
            client._endpoint.http_session.send(AWSRequest("GET", client.meta.endpoint_url).prepare())
        except SSLError as error:
            untrusted.append(error)
