"""Moves the cost of an environment's first signup into init.

The first call through botocore fills caches and opens a connection: with the bytecode in place it takes ten times the
processor time of the second call. docs/performance.md has the figures.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from botocore.awsrequest import AWSResponse, HeadersDict
from urllib3 import HTTPResponse

from onramp.wiring import connections


def warm_up(rehearsal: Callable[[], object], replies: Mapping[Any, bytes]) -> bool:
    """Runs `rehearsal` while each client answers with its reply, and opens a connection for each client.

    Raises nothing: without it, only the first signup takes longer. Returns False where the certificate of an endpoint
    is not trusted.
    """
    all_are_trusted = connections.open_connections(replies)
    with suppress(Exception):
        _rehearse(rehearsal, replies)
    return all_are_trusted()


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
