"""FakeControl: the client of a running fake's controls (`/_control/...`), for tests and the demo."""

from __future__ import annotations

import json
from typing import Any

import urllib3

from onramp.local.fakes.faults import Kind


class FakeControlError(RuntimeError):
    """The fake answered with an error."""


class FakeControl:
    """`FakeControl(stack.fakes["stripe"]).fault("rate_limited", seconds=2)`."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._pool = urllib3.PoolManager(timeout=10.0, retries=False)

    def fault(
        self,
        kind: Kind,
        *,
        operation: str = "*",
        times: int | None = 1,
        seconds: float | None = None,
        status: int | None = None,
        code: str | None = None,
        match: str | None = None,
        applied: bool = False,
    ) -> None:
        """Makes the next `times` requests fail (None: all until cleared). `Fault` describes the fields."""
        self._request(
            "POST",
            "faults",
            {
                "kind": kind,
                "operation": operation,
                "times": times,
                "seconds": seconds,
                "status": status,
                "code": code,
                "match": match,
                "applied": applied,
            },
        )

    def clear(self) -> None:
        self._request("DELETE", "faults")

    def advance(self, seconds: float) -> None:
        self._request("POST", "clock", {"advance_seconds": seconds})

    def accept_key(self, key: str) -> None:
        self._request("POST", "key", {"accepted": key})

    def customers(self) -> list[dict[str, Any]]:
        return list(self._request("GET", "customers"))

    def calls(self) -> list[dict[str, Any]]:
        return list(self._request("GET", "calls"))

    def _request(self, method: str, control: str, body: Any = None) -> Any:
        payload = None if body is None else json.dumps(body).encode()
        response = self._pool.request(method, f"{self.url}/_control/{control}", body=payload)
        if response.status != 200:
            raise FakeControlError(f"{method} {control}: {response.status} {response.data.decode()}")
        return response.json()
