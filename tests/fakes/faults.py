"""Faults at every remote call of a client: failures of the network, of AWS and of the calling process.

    log = SiteLog()
    users = Faulty(db, plan, log, clock.advance)     # plan(call, service, operation) -> a fault's name, or None
    ...
    assert not log.never_faulted()

The plan is called before each call, without a lock, and may run other code at that moment. The faults are those that
code sees at a boto3 client, after the SDK's own retries:

- `not_sent`      nothing arrived: connection refused
- `refused`       access denied
- `throttled`     too many requests
- `server_error`  AWS failed before it applied the request; `failed_after`: after it applied the request
- `bad_gateway`   a 5xx whose body is not an AWS error: the code is the status
- `lost_reply`    applied, but the reply is lost
- `retried`       applied, the reply is lost, and the SDK sends the request again: the caller gets the second reply
- `killed_before`, `killed_after`   the process dies there: ProcessKilled, which only the runner catches
- `slow`          applied, after `slow_seconds`
- `malformed`     applied, but the body cannot be parsed: botocore then returns a reply without any of its members
- `partial`       some entries of a batch are not applied
"""

import sys
import threading
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any, NamedTuple

from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from tests.fakes.client import Reply, client_error, paginator
from tests.fakes.partial import PARTIAL

Plan = Callable[[int, str, str], str | None]
ENDPOINT = "https://aws.invalid"
READ_TIMEOUT = 1.0
THROTTLED = {"dynamodb": "ThrottlingException", "sqs": "RequestThrottled", "cognito-idp": "TooManyRequestsException"}
REFUSED = {"sqs": "AccessDenied"}
BROKEN = {"dynamodb": "InternalServerError", "events": "InternalException", "ssm": "InternalServerError"}
SIMPLE = (
    "not_sent",
    "refused",
    "throttled",
    "server_error",
    "failed_after",
    "bad_gateway",
    "lost_reply",
    "retried",
    "killed_before",
    "killed_after",
    "slow",
    "malformed",
)


class ProcessKilled(BaseException):
    """The process dies here: its memory is lost, the requests that it sent are not."""


class Site(NamedTuple):
    """One place in the code under test that makes a remote call."""

    operation: str
    caller: str


class SiteLog:
    """The calls of each call site, and the faults that each had."""

    def __init__(self) -> None:
        self.calls: Counter[Site] = Counter()
        self.faulted: Counter[tuple[Site, str]] = Counter()
        self._lock = threading.Lock()

    def record(self, site: Site, fault: str | None) -> None:
        with self._lock:
            self.calls[site] += 1
            if fault:
                self.faulted[site, fault] += 1

    def never_faulted(self) -> set[Site]:
        return self.calls.keys() - {site for site, _ in self.faulted}


def faults_for(operation: str) -> tuple[str, ...]:
    return (*SIMPLE, "partial") if operation in PARTIAL else SIMPLE


class Faulty:
    """A client, fake or real, with a plan of faults before each operation."""

    def __init__(
        self,
        client: Any,
        plan: Plan,
        site_log: SiteLog,
        advance: Callable[[float], None] = lambda _seconds: None,
        *,
        slow_seconds: float = 3.0,
    ) -> None:
        self._client, self._plan, self._log, self._advance = client, plan, site_log, advance
        self._slow_seconds = slow_seconds
        self._service = str(client.meta.service_model.service_name)
        self._count = 0
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._client, name)
        if name not in self._client.meta.method_to_api_mapping:
            return attribute

        def call(**request: Any) -> Reply:
            with self._lock:
                self._count += 1
                index = self._count
            site = Site(f"{self._service}.{name}", calling_function())
            fault = self._plan(index, self._service, name)
            self._log.record(site, fault)
            reply: Reply = self._with_fault(fault, name, attribute, request) if fault else attribute(**request)
            return reply

        return call

    def get_paginator(self, operation: str) -> Any:
        """Pages through this wrapper: every page is one call with its own fault."""
        return paginator(self, self._service, operation)

    def _with_fault(self, fault: str, name: str, send: Callable[..., Reply], request: dict[str, Any]) -> Reply:
        if fault not in faults_for(name):
            raise ValueError(f"{self._service}.{name} cannot have the fault {fault}")
        if fault == "partial":
            return PARTIAL[name](self._service, send, request)
        self._before(fault, name)
        if fault == "slow":
            self._advance(self._slow_seconds)
        reply = send(**request)
        if fault == "lost_reply":
            self._advance(READ_TIMEOUT)
            raise ReadTimeoutError(endpoint_url=ENDPOINT)
        if fault == "killed_after":
            raise ProcessKilled
        if fault == "failed_after":
            raise self._server_error(name)
        if fault == "retried":
            self._advance(READ_TIMEOUT)
            return send(**request)
        return unreadable(self._service) if fault == "malformed" else reply

    def _before(self, fault: str, name: str) -> None:
        if fault == "not_sent":
            raise EndpointConnectionError(endpoint_url=ENDPOINT)
        if fault == "killed_before":
            raise ProcessKilled
        if fault == "refused":
            code = REFUSED.get(self._service, "AccessDeniedException")
            raise client_error(self._service, name, code, "not authorized to perform this")
        if fault == "throttled":
            code = THROTTLED.get(self._service, "ThrottlingException")
            raise client_error(self._service, name, code, "Rate exceeded")
        if fault == "bad_gateway":
            raise client_error(self._service, name, "502", "Bad Gateway", status=502)
        if fault == "server_error":
            raise self._server_error(name)

    def _server_error(self, name: str) -> Exception:
        code = BROKEN.get(self._service, "InternalError")
        return client_error(self._service, name, code, "Internal server error", status=500)


def unreadable(service: str) -> Reply:
    """botocore's reply to a 200 that it cannot parse: no members, and for DynamoDB the metadata of a wrong checksum in
    every attempt (observed with botocore 1.43)."""
    metadata: Reply = {"RequestId": "fake", "HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}
    if service == "dynamodb":
        metadata |= {"MaxAttemptsReached": True, "RetryAttempts": 1}
    return {"ResponseMetadata": metadata}


def calling_function() -> str:
    """The innermost function of the code under test on the stack, as `onramp.adapters.sqs.ProvisioningQueue.delay`."""
    frame: FrameType | None = sys._getframe(2)
    while frame:
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith(("onramp.", "functions.")):
            return f"{module}.{frame.f_code.co_qualname}"
        frame = frame.f_back
    return "outside"
