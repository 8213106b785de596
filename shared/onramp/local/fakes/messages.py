"""The request and the response of a fake provider: plain data, because the fakes do no I/O."""

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
        """Query and body, form-decoded: the text that a fault's `match` is searched in."""
        return unquote_plus(f"{self.query}\n{self.body.decode('utf-8', 'replace')}")


@dataclass(frozen=True)
class Response:
    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    """The provider's response time. The server of the fake waits this long; the fake itself never sleeps."""
    answered: bool = True
    """False: the provider received the request, and the client receives no answer."""
