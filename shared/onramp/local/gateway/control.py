"""Steers the gateway of a running stack: faults of AWS itself, and first sign-ins through a provider."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import urllib3

from onramp.local.gateway.faults import Kind


class GatewayControlError(RuntimeError):
    """The gateway did not accept the order; `code` and `reason` as a Cognito client would see them."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code, self.reason = code, reason


class GatewayControl:
    def __init__(self, endpoint: str) -> None:
        self._url = f"{endpoint}/_onramp"
        self._pool = urllib3.PoolManager(timeout=30.0, retries=False)

    def fault(self, service: str, operation: str, kind: Kind, *, times: int | None = 1, **more: str | float) -> None:
        """`more`: match, code, status, seconds. Cognito calls its triggers as service `lambda`, `Invoke`."""
        fault = {"service": service, "operation": operation, "kind": kind, "times": times, **more}
        self._order("POST", "faults", fault)

    def clear(self) -> None:
        self._order("DELETE", "faults", {})

    def federated_sign_in(
        self, user_pool_id: str, provider: str, attributes: Mapping[str, str], **more: str
    ) -> dict[str, str]:
        """The first sign-in of a user of `provider`: PostConfirmation fires. `more`: providerType, userId,
        clientId. Answers username and sub; raises what Cognito would show when the trigger fails."""
        order = {"userPoolId": user_pool_id, "provider": provider, "attributes": dict(attributes), **more}
        return dict(self._order("POST", "federated-sign-in", order))

    def populate(self, user_pool_id: str, users: Sequence[Mapping[str, Any]]) -> list[str]:
        """Users whom the pool has had for long, each of attributes, status? and ageSeconds?; no trigger fires."""
        return list(self._order("POST", "users", {"userPoolId": user_pool_id, "users": list(users)})["subs"])

    def _order(self, method: str, what: str, body: Mapping[str, Any]) -> Any:
        response = self._pool.request(method, f"{self._url}/{what}", body=json.dumps(body).encode())
        answer = response.json()
        if response.status != 200:
            raise GatewayControlError(answer.get("__type", ""), answer.get("message", ""))
        return answer
