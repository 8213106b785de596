"""The base of both fakes: movable clock, accepted API key, faults, log of calls, and the order in which they apply."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from onramp.local.fakes.faults import Fault, Faults
from onramp.local.fakes.messages import Request, Response

Clock = Callable[[], float]


class MovableClock:
    """A clock in Unix seconds that a test can advance, for example to expire idempotency keys."""

    def __init__(self, clock: Clock = time.time) -> None:
        self._clock = clock
        self._offset = 0.0

    def __call__(self) -> float:
        return self._clock() + self._offset

    def advance(self, seconds: float) -> None:
        self._offset += seconds


@dataclass(frozen=True)
class Call:
    """One request as the provider received it."""

    at: float
    operation: str
    method: str
    path: str
    body: str
    idempotency_key: str | None
    status: int
    answered: bool
    fault: str | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class FakeProvider(ABC):
    """A provider's API as a function of its state, the request and the clock."""

    def __init__(self, accepted_key: str, clock: Clock = time.time) -> None:
        self.accepted_key = accepted_key
        self.clock = MovableClock(clock)
        self.faults = Faults()
        self.calls: list[Call] = []

    def handle(self, request: Request) -> Response:
        operation = self.operation(request)
        refusal = self.refuse_key(request)
        fault = None if refusal else self.faults.take(operation, request.text)
        response = refusal or self._respond(operation, request, fault)
        self.calls.append(
            Call(
                at=self.clock(),
                operation=operation,
                method=request.method,
                path=request.path,
                body=request.body.decode("utf-8", "replace"),
                idempotency_key=request.headers.get("idempotency-key"),
                status=response.status,
                answered=response.answered,
                fault=fault.kind if fault else None,
            )
        )
        return response

    def _respond(self, operation: str, request: Request, fault: Fault | None) -> Response:
        if fault is None or fault.kind in ("latency", "stored_500"):
            return self.perform(operation, request, fault)
        if fault.kind in ("server_error", "timeout"):
            if fault.applied:  # the provider did the work and stored it; the answer is lost
                self.perform(operation, request, None)
            return replace(self.error(fault), answered=fault.kind != "timeout")
        return self.error(fault)

    @abstractmethod
    def operation(self, request: Request) -> str:
        """`create`, `list`, `retrieve`, `delete` or `unknown`."""

    @abstractmethod
    def refuse_key(self, request: Request) -> Response | None:
        """The answer if the API key is missing or not the accepted one; None if it is accepted."""

    @abstractmethod
    def perform(self, operation: str, request: Request, fault: Fault | None) -> Response:
        """Does the work. `fault` is None, `latency` or `stored_500`."""

    @abstractmethod
    def error(self, fault: Fault) -> Response:
        """The provider's own error body for a fault."""

    @abstractmethod
    def customers(self) -> list[dict[str, Any]]:
        """Every customer that exists, oldest first."""
