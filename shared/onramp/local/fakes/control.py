"""The controls of a fake, the same for every provider: `/_control/...`."""

from __future__ import annotations

import json
from typing import Any

from onramp.local.fakes.faults import Fault, InvalidFaultError
from onramp.local.fakes.messages import Request, Response
from onramp.local.fakes.provider import FakeProvider

PREFIX = "/_control/"


def control(fake: FakeProvider, request: Request) -> Response:
    try:
        return _control(fake, request)
    except (InvalidFaultError, ValueError, TypeError, KeyError) as exc:
        return Response(400, {"message": f"{type(exc).__name__}: {exc}"})


def _control(fake: FakeProvider, request: Request) -> Response:
    match request.method, request.path.removeprefix(PREFIX):
        case "POST", "faults":
            fake.faults.add(Fault.parse(_json(request)))
        case "DELETE", "faults":
            fake.faults.clear()
        case "POST", "clock":
            fake.clock.advance(float(_json(request)["advance_seconds"]))
        case "POST", "key":
            fake.accepted_key = str(_json(request)["accepted"])
        case "GET", "customers":
            return Response(200, fake.customers())
        case "GET", "calls":
            return Response(200, [call.as_json() for call in fake.calls])
        case _:
            return Response(404, {"message": f"no control {request.method} {request.path}"})
    return Response(200, {})


def _json(request: Request) -> Any:
    return json.loads(request.body)
