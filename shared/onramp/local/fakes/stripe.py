"""Stripe's v1 customers as a state machine without I/O: idempotency keys, stored answers, newest-first pages.

Answers follow https://docs.stripe.com/api/customers, /errors and /idempotent_requests.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from onramp.local.fakes.faults import Fault
from onramp.local.fakes.messages import Request, Response
from onramp.local.fakes.provider import Clock, FakeProvider
from onramp.local.fakes.stripe_wire import (
    Parameters,
    api_key,
    error_body,
    form_parameters,
    metadata_of,
    problem_with,
)

LOCAL_KEY = "sk_test_local"
KEY_LIFETIME_SECONDS = 24 * 3600
_COLLECTION = "/v1/customers"


@dataclass(frozen=True)
class _StoredAnswer:
    """What Stripe stores under an idempotency key: the parameters and the first answer, also an error."""

    parameters: Parameters
    response: Response
    first_request_id: str
    at: float
    finished_at: float


class FakeStripe(FakeProvider):
    def __init__(self, accepted_key: str = LOCAL_KEY, clock: Clock = time.time) -> None:
        super().__init__(accepted_key, clock)
        self._customers: dict[str, dict[str, Any]] = {}
        self._deleted: set[str] = set()
        self._stored_answers: dict[str, _StoredAnswer] = {}
        self._requests = 0

    def customers(self) -> list[dict[str, Any]]:
        return list(self._customers.values())

    def operation(self, request: Request) -> str:
        on_one = request.path.startswith(_COLLECTION + "/")
        verbs = {"GET": "retrieve", "DELETE": "delete"} if on_one else {"GET": "list", "POST": "create"}
        known = on_one or request.path == _COLLECTION
        return verbs.get(request.method, "unknown") if known else "unknown"

    def refuse_key(self, request: Request) -> Response | None:
        key = api_key(request.headers.get("authorization", ""))
        if not key:
            return self._refusal(401, "You did not provide an API key.")
        if key != self.accepted_key:
            return self._refusal(401, f"Invalid API Key provided: {key[:7]}****")
        return None

    def perform(self, operation: str, request: Request, fault: Fault | None) -> Response:
        operations: dict[str, Callable[[Request, Fault | None], Response]] = {
            "create": self._create,
            "list": self._list,
            "retrieve": self._retrieve,
            "delete": self._delete,
        }
        if operation not in operations:
            return self._refusal(404, f"Unrecognized request URL ({request.method}: {request.path}).")
        return replace(operations[operation](request, fault), delay_seconds=_latency(fault))

    def error(self, fault: Fault) -> Response:
        if fault.kind == "rate_limited":
            response = self._refusal(429, "Request rate limit exceeded.", code="rate_limit")
            return replace(response, headers={**response.headers, "Retry-After": f"{fault.seconds or 1:g}"})
        if fault.kind == "unauthorized":
            return self._refusal(fault.status or 401, "Expired API Key provided.", code="api_key_expired")
        if fault.kind == "refused":
            code = fault.code or "parameter_invalid_string"
            return self._refusal(fault.status or 400, "The request was refused.", code=code)
        return self._answer(fault.status or 500, error_body("api_error", "An unknown error occurred.", code=fault.code))

    # -- the four operations ------------------------------------------------------------------------

    def _create(self, request: Request, fault: Fault | None) -> Response:
        key = request.headers.get("idempotency-key")
        parameters = form_parameters(request.body)
        if key and (stored := self._stored_answer(key)):
            return self._replay(key, stored, parameters)
        if problem := problem_with(parameters):
            return self._refusal(400, **problem)  # Stripe validates first and stores nothing under the key
        failure = fault if fault is not None and fault.kind == "stored_500" else None
        customer = self._new_customer(parameters) if failure is None or failure.applied else None
        response = self.error(failure) if failure else self._answer(200, customer)
        if key:
            response = replace(response, headers={**response.headers, "Idempotency-Key": key})
            now = self.clock()
            finished_at = now + _latency(fault)
            self._stored_answers[key] = _StoredAnswer(
                parameters, response, response.headers["Request-Id"], now, finished_at
            )
        return response

    def _list(self, request: Request, fault: Fault | None) -> Response:
        filters = dict(parse_qsl(request.query))
        matches = [c for c in reversed(self.customers()) if filters.get("email") in (None, c["email"])]
        after = filters.get("starting_after")
        if after is not None:
            ids = [customer["id"] for customer in matches]
            if after not in ids:
                return self._missing(after)
            matches = matches[ids.index(after) + 1 :]
        limit = filters.get("limit", "10")
        if not (limit.isdecimal() and 1 <= int(limit) <= 100):
            return self._refusal(400, f"Invalid limit: {limit}", code="parameter_invalid_integer", param="limit")
        page, more = matches[: int(limit)], len(matches) > int(limit)
        return self._answer(200, {"object": "list", "url": _COLLECTION, "has_more": more, "data": page})

    def _retrieve(self, request: Request, fault: Fault | None) -> Response:
        customer_id = request.path.removeprefix(_COLLECTION + "/")
        if customer_id in self._deleted:
            return self._answer(200, _deleted(customer_id))
        customer = self._customers.get(customer_id)
        return self._answer(200, customer) if customer else self._missing(customer_id)

    def _delete(self, request: Request, fault: Fault | None) -> Response:
        customer_id = request.path.removeprefix(_COLLECTION + "/")
        if self._customers.pop(customer_id, None) is None:
            return self._missing(customer_id)
        self._deleted.add(customer_id)
        return self._answer(200, _deleted(customer_id))

    # -- idempotency ----------------------------------------------------------------------------------

    def _stored_answer(self, key: str) -> _StoredAnswer | None:
        stored = self._stored_answers.get(key)
        if stored and self.clock() - stored.at >= KEY_LIFETIME_SECONDS:
            del self._stored_answers[key]
            return None
        return stored

    def _replay(self, key: str, stored: _StoredAnswer, parameters: Parameters) -> Response:
        if parameters != stored.parameters:
            message = (
                "Keys for idempotent requests can only be used with the same parameters they were first "
                f"used with. Try using a key other than '{key}' if you meant to execute a different request."
            )
            return self._answer(400, error_body("idempotency_error", message))
        if self.clock() < stored.finished_at:
            message = f"There is currently another in-progress request using this Idempotent Key ({key})."
            return self._refusal(409, message, code="idempotency_key_in_use")
        replay_headers = {"Idempotent-Replayed": "true", "Original-Request": stored.first_request_id}
        request_id = {"Request-Id": self._next_request_id()}
        return replace(stored.response, headers={**stored.response.headers, **replay_headers, **request_id})

    # -- building blocks ------------------------------------------------------------------------------

    def _new_customer(self, parameters: Parameters) -> dict[str, Any]:
        fields = dict(parameters)
        number = len(self._customers) + len(self._deleted) + 1
        customer: dict[str, Any] = {
            "id": f"cus_{number:014d}",
            "object": "customer",
            "created": int(self.clock()),
            "livemode": False,
            "email": fields.get("email"),
            "name": fields.get("name"),
            "description": fields.get("description"),
            "phone": fields.get("phone"),
            "metadata": metadata_of(parameters),
        }
        self._customers[customer["id"]] = customer
        return customer

    def _missing(self, customer_id: str) -> Response:
        return self._refusal(404, f"No such customer: '{customer_id}'", code="resource_missing", param="id")

    def _refusal(self, status: int, message: str, code: str | None = None, param: str | None = None) -> Response:
        return self._answer(status, error_body("invalid_request_error", message, code, param))

    def _answer(self, status: int, body: Any) -> Response:
        return Response(status, body, {"Request-Id": self._next_request_id()})

    def _next_request_id(self) -> str:
        self._requests += 1
        return f"req_{self._requests:014d}"


def _latency(fault: Fault | None) -> float:
    return (fault.seconds or 0.0) if fault else 0.0


def _deleted(customer_id: str) -> dict[str, Any]:
    return {"id": customer_id, "object": "customer", "deleted": True}
