"""Refuses what a web page can send: the local stack runs code, so a page in the user's browser must not reach it.

A page can send a simple POST to any port of this machine (its preflight is not needed), open a websocket, and, with DNS
rebinding, give 127.0.0.1 the name of its own site. The browser then adds `Origin` or `Sec-Fetch-Site`, or the page's
own name as `Host`. Programs (SDKs, the AWS CLI, functions) send neither header and the address as `Host`.

https://fetch.spec.whatwg.org/#origin-header
https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header
"""

from __future__ import annotations

from onramp.local.asgi import App, Message, Receive, Scope, Send, send_reply
from onramp.local.gateway.aws import aws_error

NAMES = ("127.0.0.1", "localhost", "[::1]")
OWN_SITE = ("same-origin", "none")
"""`none`: the user typed the address. `same-site` is refused: it is a page of another port of this machine."""
_HTTP_PORT = 80
_CORS = b"access-control-"
_RESPONSE_STARTS = ("http.response.start", "websocket.accept")
_POLICY_VIOLATION = 1008


class WithoutWebPages:
    """The app behind the check. No reply has a CORS header, so a browser shows no reply to a page of another origin."""

    def __init__(self, app: App, port: int) -> None:
        self._app = app
        self._hosts = {f"{name}:{port}" for name in NAMES} | (set(NAMES) if port == _HTTP_PORT else set())
        self._reason = f"the local stack answers programs at http://{NAMES[0]}:{port} only: no web page, no other name."

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or self._is_allowed(scope):
            await self._app(scope, receive, _without_cors(send))
        elif scope["type"] == "websocket":  # closed before it is accepted: the server answers 403
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        else:
            await send_reply(send, aws_error("AccessDeniedException", self._reason, 403))

    def _is_allowed(self, scope: Scope) -> bool:
        hosts = _values(scope, b"host")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return False
        own_origin = f"http://{hosts[0]}"
        return all(origin == own_origin for origin in _values(scope, b"origin")) and all(
            site in OWN_SITE for site in _values(scope, b"sec-fetch-site")
        )


def _values(scope: Scope, header: bytes) -> list[str]:
    return [value.decode("latin-1").strip().lower() for name, value in scope["headers"] if name.lower() == header]


def _without_cors(send: Send) -> Send:
    async def send_without_cors(message: Message) -> None:
        if message["type"] in _RESPONSE_STARTS:
            headers = [pair for pair in message.get("headers", ()) if not pair[0].lower().startswith(_CORS)]
            message = {**message, "headers": headers}
        await send(message)

    return send_without_cors
