"""Gateway, the ASGI app on the one port: routes to the fakes, to the controls, and through the layers to AWS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from onramp.local.asgi import (
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
from onramp.local.fakes.provider import FakeProvider
from onramp.local.fakes.serve import serve_fake
from onramp.local.gateway.aws import AwsCall, Emulator, NoAnswerError, aws_error, aws_reply, recognise, with_layers
from onramp.local.gateway.cognito_triggers import CognitoTriggers
from onramp.local.gateway.faults import GatewayFault, GatewayFaults, InvalidGatewayFaultError
from onramp.local.gateway.message_move_tasks import MessageMoveTasks
from onramp.local.gateway.pool_users import federated_sign_in, populate
from onramp.local.gateway.put_events import put_events_layer
from onramp.local.gateway.user_pool_updates import UserPoolUpdates

FAKES = "/_fakes/"
CONTROLS = "/_onramp/"


class Gateway:
    def __init__(self, aws: App, fakes: Mapping[str, FakeProvider], region: str) -> None:
        self._aws = aws
        self._fakes = fakes
        self._faults = GatewayFaults()
        emulator = Emulator(with_layers([], aws), region)
        self._triggers = CognitoTriggers(emulator, Emulator(with_layers([self._faults.layer], aws), region))
        moves, pools = MessageMoveTasks(emulator), UserPoolUpdates(emulator)
        layers = [self._faults.layer, self._triggers.layer, moves.layer, pools.layer, put_events_layer]
        self._forward = with_layers(layers, aws)

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
            await send_reply(send, aws_error("NotFound", f"no fake is named {name}", 404))
            return
        await serve_fake(self._fakes[name], f"/{rest}", scope, receive, send)

    async def _control(self, control: str, scope: Scope, receive: Receive) -> Reply:
        body = await read_body(receive)
        try:
            return await self._run_control(control, scope["method"], json.loads(body) if body else {})
        except (InvalidGatewayFaultError, ValueError, KeyError) as exc:
            return aws_error(type(exc).__name__, str(exc))

    async def _run_control(self, control: str, method: str, request: Any) -> Reply:
        match method, control:
            case "POST", "faults":
                self._faults.add(GatewayFault.parse(request))
            case "DELETE", "faults":
                self._faults.clear()
            case "POST", "federated-sign-in":
                return await federated_sign_in(self._triggers, request)
            case "POST", "users":
                return populate(request)
            case _:
                return aws_error("NotFound", f"no control {method} {CONTROLS}{control}", 404)
        return aws_reply(200, {})
