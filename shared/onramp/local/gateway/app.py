"""Everything behind the one port: the fakes, our own controls, and AWS with its layers in front."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from onramp.local.fakes.asgi import serve_fake
from onramp.local.fakes.provider import FakeProvider
from onramp.local.gateway.asgi import (
    App,
    DisconnectedError,
    Receive,
    Reply,
    Scope,
    Send,
    read_body,
    send_reply,
    wait_for_disconnect,
)
from onramp.local.gateway.aws import AwsCall, Emulator, NoAnswerError, aws_error, aws_reply, recognise, stacked
from onramp.local.gateway.cognito_triggers import CognitoTriggers
from onramp.local.gateway.faults import GatewayFault, GatewayFaults, InvalidGatewayFaultError
from onramp.local.gateway.federation import federated_sign_in
from onramp.local.gateway.population import populate
from onramp.local.gateway.put_events import put_events_layer
from onramp.local.gateway.sqs_moves import SqsMoves
from onramp.local.gateway.user_pool_updates import UserPoolUpdates

FAKES = "/_fakes/"
CONTROLS = "/_onramp/"


class Gateway:
    """The ASGI app that the server serves."""

    def __init__(self, aws: App, fakes: Mapping[str, FakeProvider], region: str) -> None:
        self._aws = aws
        self._fakes = fakes
        self._faults = GatewayFaults()
        emulator = Emulator(stacked([], aws), region)
        self._triggers = CognitoTriggers(emulator, Emulator(stacked([self._faults.layer], aws), region))
        moves, pools = SqsMoves(emulator), UserPoolUpdates(emulator)
        layers = [self._faults.layer, self._triggers.layer, moves.layer, pools.layer, put_events_layer]
        self._forward = stacked(layers, aws)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._aws(scope, receive, send)
            return
        try:
            await self._http(scope, receive, send)
        except NoAnswerError:
            await wait_for_disconnect(receive)
        except DisconnectedError:
            pass

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path.startswith(FAKES):
            await self._fake(path.removeprefix(FAKES), scope, receive, send)
        elif path.startswith(CONTROLS):
            await send_reply(send, await self._control(path.removeprefix(CONTROLS), scope, receive))
        elif recognised := recognise(scope):
            call = AwsCall(*recognised, scope, await read_body(receive))
            await send_reply(send, await self._forward(call))
        else:
            await self._aws(scope, receive, send)

    async def _fake(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        name, _, rest = path.partition("/")
        if name not in self._fakes:
            await send_reply(send, aws_error("NotFound", f"there is no fake called {name}", 404))
            return
        await serve_fake(self._fakes[name], f"/{rest}", scope, receive, send)

    async def _control(self, what: str, scope: Scope, receive: Receive) -> Reply:
        body = await read_body(receive)
        try:
            return await self._controlled(what, scope["method"], json.loads(body) if body else {})
        except (InvalidGatewayFaultError, ValueError, KeyError) as exc:
            return aws_error(type(exc).__name__, str(exc))

    async def _controlled(self, what: str, method: str, order: Any) -> Reply:
        match method, what:
            case "POST", "faults":
                self._faults.add(GatewayFault.parse(order))
            case "DELETE", "faults":
                self._faults.clear()
            case "POST", "federated-sign-in":
                return await federated_sign_in(self._triggers, order)
            case "POST", "users":
                return populate(order)
            case _:
                return aws_error("NotFound", f"no {method} {CONTROLS}{what} here", 404)
        return aws_reply(200, {})
