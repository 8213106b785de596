"""Faults on demand: how a fake provider fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

Kind = Literal["latency", "rate_limited", "server_error", "timeout", "stored_500", "refused", "unauthorized"]
KINDS: tuple[str, ...] = get_args(Kind)


class InvalidFaultError(ValueError):
    """The description of a fault is invalid."""


@dataclass
class Fault:
    kind: str
    operation: str = "*"
    times: int | None = 1
    """The number of requests that fail; None: all until cleared."""
    seconds: float | None = None
    """`latency`: the delay; `rate_limited`: the wait that the answer demands."""
    status: int | None = None
    code: str | None = None
    match: str | None = None
    """Applies only to requests whose query or body contains this."""
    applied: bool = False
    """`server_error`, `timeout`, `stored_500`: whether the provider did the work before it failed."""

    @classmethod
    def parse(cls, description: Any) -> Fault:
        if not isinstance(description, Mapping):
            raise InvalidFaultError("a fault is a JSON object")
        unknown = set(description) - {field.name for field in fields(cls)}
        if unknown:
            raise InvalidFaultError(f"a fault has no {', '.join(sorted(unknown))}")
        if description.get("kind") not in KINDS:
            raise InvalidFaultError(f"a fault's kind is one of {', '.join(KINDS)}")
        return cls(**description)

    def matches(self, operation: str, text: str) -> bool:
        return self.operation in ("*", operation) and (self.match is None or self.match in text)


class Faults:
    """The active faults, oldest first."""

    def __init__(self) -> None:
        self._active: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._active.append(fault)

    def clear(self) -> None:
        self._active.clear()

    def take(self, operation: str, text: str) -> Fault | None:
        for fault in self._active:
            if fault.matches(operation, text):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._active.remove(fault)
                return fault
        return None
