"""The base of every fake AWS client: request checks, errors and paging as in boto3.

Requests are checked against botocore's service model, errors are botocore's generated classes and paging uses
botocore's paginators, so the code under test sees no difference. An argument that AWS supports and a fake does not
raises NotImplementedError: a fake never ignores an argument.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, wraps
from typing import Any, ClassVar

from botocore import xform_name
from botocore.errorfactory import BaseClientExceptions, ClientExceptionsFactory
from botocore.exceptions import ClientError, OperationNotPageableError, ParamValidationError
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.paginate import Paginator, PaginatorModel
from botocore.validate import ParamValidator

Request = dict[str, Any]
Reply = dict[str, Any]
Clock = Callable[[], float]

ACCOUNT = "123456789012"
REGION = "eu-west-1"

_loader = Loader()
_validator = ParamValidator()


@cache
def service_model(service: str) -> ServiceModel:
    return ServiceModel(_loader.load_service_model(service, "service-2"), service)


@cache
def service_exceptions(service: str) -> BaseClientExceptions:
    return ClientExceptionsFactory().create_client_exceptions(service_model(service))


@cache
def _api_names(service: str) -> dict[str, str]:
    return {xform_name(name): name for name in service_model(service).operation_names}


def client_error(service: str, operation: str, code: str, message: str, **response: Any) -> ClientError:
    """The exception a boto3 client raises for this code; `query_code` is SQS's, whose clients report the older name."""
    status = response.pop("status", 400)
    error = {"Code": response.pop("query_code", code), "Message": message}
    if error["Code"] != code:
        error["QueryErrorCode"] = code
    metadata = {"RequestId": "fake", "HTTPStatusCode": status, "HTTPHeaders": {}, "RetryAttempts": 0}
    body: Any = {"Error": error, "ResponseMetadata": metadata, **response}
    api_name = _api_names(service).get(operation, operation)
    generated: Any = service_exceptions(service).from_code(code)  # the stubs call it an instance; it is a class
    raised: ClientError = generated(body, api_name)
    return raised


class VirtualClock:
    """A clock that only a test advances, in Unix seconds."""

    def __init__(self, now: float = 1_790_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Meta:
    """The part of `client.meta` that the code under test reads."""

    def __init__(self, service: str) -> None:
        self.service_model = service_model(service)
        self.method_to_api_mapping = _api_names(service)
        self.region_name = REGION


class FakeClient:
    service: ClassVar[str]

    def __init__(self, clock: Clock, *, validate: bool = True) -> None:
        """`validate=False` skips botocore's check of the request (40 microseconds a call), for the simulator."""
        self.clock = clock
        self.calls: Counter[str] = Counter()
        self.meta = Meta(self.service)
        self._validate = validate
        self._lock = threading.RLock()

    @property
    def exceptions(self) -> Any:
        """The client's generated exception classes, by name."""
        return service_exceptions(self.service)

    def get_paginator(self, operation: str) -> Paginator[Any]:
        return paginator(self, self.service, operation)

    def close(self) -> None:
        """Nothing to close; real clients have this method."""

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)

    def error(self, operation: str, code: str, message: str, **response: Any) -> ClientError:
        return client_error(self.service, operation, code, message, **response)


def operation(takes: str) -> Callable[[Callable[[Any, Request], Reply]], Callable[..., Reply]]:
    """Makes a boto3 operation of a method; `takes` names the arguments that the fake supports."""
    supported = frozenset(takes.split())

    def decorate(method: Callable[[Any, Request], Reply]) -> Callable[..., Reply]:
        name = method.__name__

        @wraps(method)
        def call(self: FakeClient, **request: Any) -> Reply:
            if self._validate:
                check_request(self.service, name, request)
            if unknown := request.keys() - supported:
                raise NotImplementedError(f"the fake {self.service}.{name} does not support {sorted(unknown)}")
            with self._lock:
                self.calls[name] += 1
                reply = method(self, request)
            metadata = {"RequestId": "fake", "HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}
            return {**reply, "ResponseMetadata": metadata}

        return call

    return decorate


def check_request(service: str, operation: str, request: Request) -> None:
    """Raises as botocore does before it sends: unknown, missing and mistyped arguments."""
    shape: Any = service_model(service).operation_model(_api_names(service)[operation]).input_shape
    report = _validator.validate(request, shape)
    if report.has_errors():
        raise ParamValidationError(report=report.generate_report())


def paginator(client: Any, service: str, operation: str) -> Paginator[Any]:
    """botocore's paginator over any client-like object, so that wrapped clients see every page's call."""
    api_name = _api_names(service)[operation]
    pages = PaginatorModel(_loader.load_service_model(service, "paginators-1"))
    try:
        config = pages.get_paginator(api_name)
    except ValueError as error:
        raise OperationNotPageableError(operation_name=operation) from error
    model = service_model(service).operation_model(api_name)
    return Paginator(getattr(client, operation), config, model)
