"""What goes into a fake provider and what comes out. Plain data: the fakes do no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: bytes = b""

    @property
    def text(self) -> str:
        """Query and body, form encoding undone: what a fault's `match` is looked up in."""
        return unquote_plus(f"{self.query}\n{self.body.decode('utf-8', 'replace')}")


@dataclass(frozen=True)
class Response:
    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    """How long the provider takes. Whoever carries the response obeys it; the fakes never sleep."""
    answered: bool = True
    """False: the request reached the provider, and no answer ever comes back."""
