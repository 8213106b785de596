"""Makes AWS calls fail on demand, before they reach the emulator.

`POST /_onramp/faults {"service": "events", "operation": "PutEvents", "kind": "refused", "times": 2}`;
`DELETE /_onramp/faults` clears them. The functions' calls pass this layer too, and so do the invocations of triggers
(service `lambda`, operation `Invoke`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from onramp.local.asgi import Reply
from onramp.local.gateway.aws import AwsCall, Forward, NoAnswerError, aws_error
from onramp.local.gateway.put_events import EntryError, entries_of, put_valid_entries

_MESSAGE = "injected by /_onramp/faults"
Kind = Literal["refused", "partial_failure", "lost_reply", "latency", "timeout"]


class InvalidGatewayFaultError(ValueError):
    """The description of a fault is invalid."""


@dataclass
class GatewayFault:
    kind: Kind
    service: str = "*"
    operation: str = "*"
    times: int | None = 1
    """The number of calls that fail; None: all until cleared."""
    match: str | None = None
    """Applies only to calls whose path or body contains this; in PutEvents only to such entries."""
    code: str = "InternalFailure"
    status: int = 500
    seconds: float = 1.0

    @classmethod
    def parse(cls, description: Any) -> GatewayFault:
        if not isinstance(description, Mapping):
            raise InvalidGatewayFaultError("a fault is a JSON object")
        unknown = set(description) - {field.name for field in fields(cls)}
        if unknown or description.get("kind") not in get_args(Kind):
            raise InvalidGatewayFaultError(
                f"a fault has a kind ({', '.join(get_args(Kind))}) and at most "
                f"{', '.join(field.name for field in fields(cls))}"
            )
        return cls(**description)

    def matches(self, call: AwsCall) -> bool:
        return (
            self.service in ("*", call.service)
            and self.operation in ("*", call.operation)
            and (self.match is None or self.match in call.text)
        )


class GatewayFaults:
    def __init__(self) -> None:
        self._faults: list[GatewayFault] = []

    def add(self, fault: GatewayFault) -> None:
        self._faults.append(fault)

    def clear(self) -> None:
        self._faults.clear()

    async def layer(self, call: AwsCall, forward: Forward) -> Reply:
        fault = self._take(call)
        if fault is None:
            return await forward(call)
        match fault.kind:
            case "latency":
                await asyncio.sleep(fault.seconds)
                return await forward(call)
            case "timeout":
                raise NoAnswerError
            case "partial_failure":
                return await put_valid_entries(call, forward, _entry_errors(call, fault))
            case "lost_reply":  # the emulator does the work, the caller receives an error
                await forward(call)
        return aws_error(fault.code, _MESSAGE, fault.status)

    def _take(self, call: AwsCall) -> GatewayFault | None:
        for fault in self._faults:
            if fault.matches(call):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
                return fault
        return None


def _entry_errors(call: AwsCall, fault: GatewayFault) -> list[EntryError | None]:
    failure = {"ErrorCode": fault.code, "ErrorMessage": _MESSAGE}
    return [failure if fault.match is None or fault.match in json.dumps(entry) else None for entry in entries_of(call)]
