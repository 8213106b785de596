"""ASGI helpers shared by the gateway and the fakes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
RawHeaders = Iterable[tuple[bytes, bytes]]


class DisconnectedError(Exception):
    """The client disconnected before its request was complete."""


@dataclass(frozen=True)
class Reply:
    """A complete HTTP response."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        lower_name = name.lower().encode()
        return next((value.decode() for key, value in self.headers if key.lower() == lower_name), None)


def headers_of(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


async def read_body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise DisconnectedError
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


async def send_reply(send: Send, reply: Reply) -> None:
    headers = [(name, value) for name, value in reply.headers if name.lower() != b"content-length"]
    headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


async def wait_for_disconnect(receive: Receive) -> None:
    """Sends no answer, so that a client runs into its timeout."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def call(app: App, scope: Scope, body: bytes) -> Reply:
    """Sends one complete request to an app in this process and returns its response."""
    start: Message = {}
    chunks: list[bytes] = []
    unread_messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if unread_messages:
            return unread_messages.pop()
        await asyncio.Event().wait()  # this client never disconnects
        raise DisconnectedError

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        elif message["type"] == "http.response.body":
            chunks.append(message.get("body", b""))

    await app(scope, receive, send)
    return Reply(start["status"], tuple(start.get("headers", ())), b"".join(chunks))
