"""Serves a fake over ASGI: parses the request, waits as long as the response demands, sends the answer."""

from __future__ import annotations

import asyncio
import json

from onramp.local.asgi import (
    Receive,
    Reply,
    Scope,
    Send,
    headers_of,
    read_body,
    send_reply,
    wait_for_disconnect,
)
from onramp.local.fakes.control import PREFIX, control
from onramp.local.fakes.messages import Request
from onramp.local.fakes.provider import FakeProvider


async def serve_fake(fake: FakeProvider, path: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Serves one HTTP request; `path` is the part of the URL after the fake's prefix."""
    request = Request(
        method=scope["method"],
        path=path,
        query=scope.get("query_string", b"").decode("latin-1"),
        headers=headers_of(scope),
        body=await read_body(receive),
    )
    response = control(fake, request) if path.startswith(PREFIX) else fake.handle(request)
    if not response.answered:
        await wait_for_disconnect(receive)
        return
    await asyncio.sleep(response.delay_seconds)
    headers = {"content-type": "application/json", **response.headers}
    raw = tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
    await send_reply(send, Reply(response.status, raw, json.dumps(response.body).encode()))
