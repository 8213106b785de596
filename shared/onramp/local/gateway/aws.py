"""AWS calls in the gateway: their recognition, the chain of layers, and calls that the layers themselves make."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, unquote

from onramp.local.asgi import App, Reply, Scope, call, headers_of

ACCESS_KEY = "test"
"""The emulator's root key: it skips policies and signature for this key, also with IAM enforcement."""

_PREFIXES = {
    "AWSEvents": "events",
    "AmazonSQS": "sqs",
    "AmazonSSM": "ssm",
    "DynamoDB_20120810": "dynamodb",
    "AWSCognitoIdentityProviderService": "cognito-idp",
}
INTERRUPTED_WALK = b"dictionary changed size during iteration"
"""The emulator serves Cognito on threads, and looks for a user before it writes: a concurrent SignUp ends that walk."""
WALKS = 20
_TARGETS = {service: prefix for prefix, service in _PREFIXES.items()}
_INVOKE = re.compile(r"^/2015-03-31/functions/([^/]+)/invocations$")


@dataclass(frozen=True)
class AwsCall:
    service: str
    operation: str
    scope: Scope
    body: bytes

    @property
    def text(self) -> str:
        """Path and body: the text that a fault's `match` is searched in."""
        return f"{unquote(self.scope['path'])}\n{self.body.decode('utf-8', 'replace')}"

    def payload(self) -> dict[str, Any]:
        """The request's JSON object; empty if the body is not one (the emulator then answers with the error)."""
        try:
            parsed = json.loads(self.body or b"{}")
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}

    def with_payload(self, payload: Mapping[str, Any]) -> AwsCall:
        return replace(self, body=json.dumps(payload).encode())


Forward = Callable[[AwsCall], Awaitable[Reply]]
Layer = Callable[[AwsCall, Forward], Awaitable[Reply]]


class NoAnswerError(Exception):
    """A layer decided to leave this request without an answer."""


class EmulatorError(Exception):
    """The emulator answered a layer's call with an error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


def recognise(scope: Scope) -> tuple[str, str] | None:
    """Service and operation of a JSON call or a Lambda invocation; None for all other calls (S3, queries)."""
    if scope["method"] != "POST":
        return None
    if _INVOKE.match(scope["path"]):
        return "lambda", "Invoke"
    prefix, _, operation = headers_of(scope).get("x-amz-target", "").partition(".")
    service = _PREFIXES.get(prefix)
    return (service, operation) if service and operation else None


def with_layers(layers: Sequence[Layer], app: App) -> Forward:
    """The app behind the layers: a call passes the first layer first."""

    async def to_app(aws_call: AwsCall) -> Reply:
        for _ in range(WALKS):
            reply = await call(app, aws_call.scope, aws_call.body)
            if reply.status != 500 or INTERRUPTED_WALK not in reply.body:
                break
        return reply

    def below(layer: Layer, rest: Forward) -> Forward:
        async def forward(aws_call: AwsCall) -> Reply:
            return await layer(aws_call, rest)

        return forward

    forward: Forward = to_app
    for layer in reversed(layers):
        forward = below(layer, forward)
    return forward


def aws_reply(status: int, body: Any) -> Reply:
    headers = ((b"content-type", b"application/x-amz-json-1.1"),)
    return Reply(status, headers, json.dumps(body).encode())


def aws_error(code: str, message: str, status: int = 400) -> Reply:
    reply = aws_reply(status, {"__type": code, "message": message})
    return replace(reply, headers=(*reply.headers, (b"x-amzn-errortype", code.encode())))


class Emulator:
    """A client for the emulator: calls AWS with the root key, through the layers of `forward`."""

    def __init__(self, forward: Forward, region: str) -> None:
        self._forward = forward
        self._region = region

    async def call(self, service: str, operation: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        target = f"{_TARGETS[service]}.{operation}"
        scope = self._scope("/", service, [(b"x-amz-target", target.encode())])
        reply = await self._forward(AwsCall(service, operation, scope, json.dumps(payload).encode()))
        body = json.loads(reply.body or b"{}")
        if reply.status != 200:
            raise EmulatorError(body.get("__type", str(reply.status)), body.get("message", ""))
        return dict(body)

    async def invoke(self, function: str, event: Mapping[str, Any]) -> Reply:
        path = f"/2015-03-31/functions/{quote(function, safe='')}/invocations"
        scope = self._scope(path, "lambda", [])
        return await self._forward(AwsCall("lambda", "Invoke", scope, json.dumps(event).encode()))

    async def function_policy(self, function: str) -> dict[str, Any]:
        """The resource policy of a function's alias; empty if it has none."""
        name, _, qualifier = function.partition(":function:")[2].partition(":")
        query = f"Qualifier={qualifier}" if qualifier else ""
        path = f"/2015-03-31/functions/{name}/policy"
        scope = {**self._scope(path, "lambda", []), "method": "GET", "query_string": query.encode()}
        reply = await self._forward(AwsCall("lambda", "GetPolicy", scope, b""))
        return dict(json.loads(json.loads(reply.body)["Policy"])) if reply.status == 200 else {}

    def _scope(self, path: str, service: str, headers: list[tuple[bytes, bytes]]) -> Scope:
        credential = f"Credential={ACCESS_KEY}/20260101/{self._region}/{service}/aws4_request"
        authorization = f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=local"
        return {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [
                (b"host", b"127.0.0.1"),
                (b"content-type", b"application/x-amz-json-1.1"),
                (b"authorization", authorization.encode()),
                *headers,
            ],
            "client": ("127.0.0.1", 0),
            "server": ("127.0.0.1", 80),
        }
