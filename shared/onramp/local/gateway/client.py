"""GatewayControl: the client of the gateway's controls (`/_onramp/...`) on a running stack."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import urllib3

from onramp.local.gateway.faults import Kind


class GatewayControlError(RuntimeError):
    """The gateway answered with an error; `code` and `reason` are those that a Cognito client receives."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code, self.reason = code, reason


class GatewayControl:
    def __init__(self, endpoint: str) -> None:
        self._url = f"{endpoint}/_onramp"
        self._pool = urllib3.PoolManager(timeout=30.0, retries=False)

    def fault(self, service: str, operation: str, kind: Kind, *, times: int | None = 1, **more: str | float) -> None:
        """`more`: match, code, status, seconds. A trigger invocation has service `lambda`, operation `Invoke`."""
        fault = {"service": service, "operation": operation, "kind": kind, "times": times, **more}
        self._request("POST", "faults", fault)

    def clear(self) -> None:
        self._request("DELETE", "faults", {})

    def federated_sign_in(
        self, user_pool_id: str, provider: str, attributes: Mapping[str, str], **more: str
    ) -> dict[str, str]:
        """The first sign-in of a user of `provider`, which invokes PostConfirmation. Returns username and sub.

        `more`: providerType, userId, clientId. Raises GatewayControlError if the trigger fails.
        """
        request = {"userPoolId": user_pool_id, "provider": provider, "attributes": dict(attributes), **more}
        return dict(self._request("POST", "federated-sign-in", request))

    def populate(self, user_pool_id: str, users: Sequence[Mapping[str, Any]]) -> list[str]:
        """Adds users (attributes, status?, ageSeconds?) without invoking a trigger. Returns their subs."""
        return list(self._request("POST", "users", {"userPoolId": user_pool_id, "users": list(users)})["subs"])

    def _request(self, method: str, control: str, body: Mapping[str, Any]) -> Any:
        response = self._pool.request(method, f"{self._url}/{control}", body=json.dumps(body).encode())
        answer = response.json()
        if response.status != 200:
            raise GatewayControlError(answer.get("__type", ""), answer.get("message", ""))
        return answer
