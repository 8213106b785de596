"""RevenueCat's REST v2 customers as a state machine without I/O.

Answers follow https://www.revenuecat.com/docs/api-v2: errors contain `type`, `retryable` and, if a later retry can
succeed, `backoff_ms`; the `Retry-After` header of a 429 repeats it, in milliseconds.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any
from urllib.parse import unquote

from onramp.local.fakes.faults import Fault
from onramp.local.fakes.messages import Request, Response
from onramp.local.fakes.provider import Clock, FakeProvider

LOCAL_KEY = "sk_local_v2"
LOCAL_V1_KEY = "sk_local_v1"
LOCAL_PROJECT = "proj_local"
_PATH = re.compile(r"^/v2/projects/([^/]+)/customers(?:/([^/]+))?$")
_ID = re.compile(r"[0-9a-zA-Z_-]{1,1500}")
_STATUS_TYPES = {
    400: "parameter_error",
    401: "authentication_error",
    403: "authorization_error",
    404: "resource_missing",
    409: "resource_already_exists",
    422: "unprocessable_entity_error",
    423: "resource_locked_error",
    429: "rate_limit_error",
}


class FakeRevenueCat(FakeProvider):
    def __init__(self, accepted_key: str = LOCAL_KEY, clock: Clock = time.time, project: str = LOCAL_PROJECT) -> None:
        super().__init__(accepted_key, clock)
        self._project = project
        self._customers: dict[str, dict[str, Any]] = {}

    def customers(self) -> list[dict[str, Any]]:
        return list(self._customers.values())

    def operation(self, request: Request) -> str:
        path = _PATH.match(request.path)
        if not path:
            return "unknown"
        verbs = {"GET": "retrieve", "DELETE": "delete"} if path[2] else {"POST": "create", "GET": "list"}
        return verbs.get(request.method, "unknown")

    def refuse_key(self, request: Request) -> Response | None:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and key == self.accepted_key:
            return None
        if key == LOCAL_V1_KEY:
            return _error(401, "A v1 API key does not work on API v2.")
        return _error(401, "Authentication is not valid for the given API key.")

    def perform(self, operation: str, request: Request, fault: Fault | None) -> Response:
        if fault is not None and fault.kind == "stored_500":  # RevenueCat has no idempotency keys: it stores no answer
            return self.error(fault)
        response = self._perform(operation, request)
        delay = (fault.seconds or 0.0) if fault else 0.0
        return Response(response.status, response.body, response.headers, delay_seconds=delay)

    def error(self, fault: Fault) -> Response:
        if fault.kind == "rate_limited":
            return _error(429, "Rate limit exceeded", backoff_ms=int((fault.seconds or 1) * 1000))
        if fault.kind == "unauthorized":
            return _error(fault.status or 401, "Authentication is not valid for the given API key.")
        if fault.kind == "refused":
            return _error(fault.status or 422, "The request was refused.", kind=fault.code)
        wait = int(fault.seconds * 1000) if fault.seconds else None
        return _error(fault.status or 500, "Something went wrong.", kind=fault.code, backoff_ms=wait)

    def _perform(self, operation: str, request: Request) -> Response:
        path = _PATH.match(request.path)
        if not path or operation == "unknown":
            return _error(404, "The requested resource does not exist.")
        if path[1] != self._project:
            return _error(403, "The API key does not belong to the project.")
        if operation == "create":
            return self._create(request)
        if operation == "list":
            return Response(200, {"object": "list", "items": self.customers(), "next_page": None})
        return self._one(unquote(path[2]), delete=operation == "delete")

    def _create(self, request: Request) -> Response:
        if "application/json" not in request.headers.get("content-type", ""):
            return _error(400, "Content-Type must be application/json.", kind="invalid_request")
        try:
            body = json.loads(request.body)
        except ValueError:
            return _error(400, "The body is not JSON.", kind="invalid_request")
        customer_id = body.get("id") if isinstance(body, dict) else None
        if not isinstance(customer_id, str) or not _ID.fullmatch(customer_id):
            return _error(400, "id must match ^[0-9a-zA-Z_-]*$", param="id")
        if customer_id in self._customers:
            return _error(409, "A customer with this id already exists.")
        now = int(self.clock() * 1000)
        self._customers[customer_id] = {
            "object": "customer",
            "id": customer_id,
            "project_id": self._project,
            "first_seen_at": now,
            "last_seen_at": now,
            "attributes": {"object": "list", "items": body.get("attributes") or []},
        }
        return Response(201, self._customers[customer_id])

    def _one(self, customer_id: str, *, delete: bool) -> Response:
        if customer_id not in self._customers:
            return _error(404, "The customer does not exist.")
        if delete:
            del self._customers[customer_id]
            return Response(200, {"object": "customer", "id": customer_id, "deleted_at": self._now_ms()})
        return Response(200, self._customers[customer_id])

    def _now_ms(self) -> int:
        return int(self.clock() * 1000)


def _error(
    status: int,
    message: str,
    kind: str | None = None,
    param: str | None = None,
    backoff_ms: int | None = None,
) -> Response:
    kind = kind or _STATUS_TYPES.get(status, "server_error")
    body: dict[str, Any] = {
        "object": "error",
        "type": kind,
        "message": message,
        "retryable": status in (423, 429) or status >= 500,
        "doc_url": f"https://errors.rev.cat/{kind.replace('_', '-')}",
    }
    if param:
        body["param"] = param
    if backoff_ms is not None:
        body["backoff_ms"] = backoff_ms
    return Response(status, body, {"Retry-After": str(backoff_ms)} if status == 429 else {})
