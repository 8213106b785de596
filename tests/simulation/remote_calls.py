"""Every remote call of the code under test: it takes time, other actors run meanwhile, and it may fail."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from onramp.local.fakes.faults import Fault, Faults
from onramp.local.fakes.messages import Request, Response
from onramp.local.fakes.provider import FakeProvider
from tests.fakes import Faulty, ProcessKilled, Site, SiteLog, faults_for
from tests.fakes.client import Reply
from tests.fakes.faults import ENDPOINT, READ_TIMEOUT
from tests.fakes.providers import UnparsedBody
from tests.simulation.fault_injection import MAX_LATENESS, FaultInjector
from tests.simulation.scheduler import Scheduler

LATE = ("late", "killed_late", "failed_late")
"""The request arrives after the sender has timed out, died, or received a gateway's 504."""
PROVIDER_FAULT = {
    "refused": Fault("refused"),
    "unauthorized": Fault("unauthorized"),
    "throttled": Fault("rate_limited", seconds=30),
    "server_error": Fault("server_error", status=503),
    "failed_after": Fault("server_error", applied=True),
    "stored_500": Fault("stored_500"),
    "stored_500_after": Fault("stored_500", applied=True),
    "not_sent": Fault("timeout"),
    "lost_reply": Fault("timeout", applied=True),
    "slow": Fault("latency", seconds=5),
}
PROVIDER_FAULTS = (*PROVIDER_FAULT, "malformed", "killed_before", "killed_after", *LATE)


class RemoteCalls:
    def __init__(self, scheduler: Scheduler, faults: FaultInjector, sites: SiteLog, trace: list[str]) -> None:
        self.scheduler, self.faults, self.sites, self.trace = scheduler, faults, sites, trace

    def begin(self, operation: str, kinds: Sequence[str]) -> tuple[str | None, float]:
        """Lets other actors run for the call's latency. Returns its fault, and the lateness of a late request."""
        process = self.scheduler.process
        if process is None:
            return None, 0.0
        method, caller = calling_site()
        spot = process.label, process.occurrence(method or operation)
        self.scheduler.sleep(self.faults.latency(process, spot))
        fault = self.faults.fault(process, spot, kinds)
        self.sites.record(Site(operation, f"{method} < {caller}"), fault)
        self.trace.append(f"{self.scheduler.elapsed:12.3f} {spot[0]} {operation} {spot[1]} {fault or ''}")
        return fault, self.faults.duration(spot, 9.0, MAX_LATENESS) if fault in LATE else 0.0

    def send_late(self, fault: str, seconds: float, arrive: Callable[[], object], timeout: float) -> None:
        """The request arrives in `seconds`; its sender dies now, or waits for `timeout`."""
        self.scheduler.later(seconds, arrive, self.scheduler.process)
        if fault == "killed_late":
            raise ProcessKilled
        self.scheduler.sleep(timeout)


class RemoteClient(Faulty):
    """An AWS client as the code under test holds it."""

    def __init__(self, client: Any, calls: RemoteCalls) -> None:
        super().__init__(client, lambda *_: None, calls.sites, calls.scheduler.sleep)
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        send = getattr(self._client, name)
        if name not in self._client.meta.method_to_api_mapping:
            return send
        kinds = (*faults_for(name), "late", "killed_late")

        def call(**request: Any) -> Reply:
            fault, seconds = self._calls.begin(f"{self._service}.{name}", kinds)
            if fault in LATE:
                self._calls.send_late(fault, seconds, lambda: _send_without_reply(send, request), READ_TIMEOUT)
                raise ReadTimeoutError(endpoint_url=ENDPOINT)
            reply: Reply = self._with_fault(fault, name, send, request) if fault else send(**request)
            return reply

        return call


def _send_without_reply(send: Callable[..., Reply], request: dict[str, Any]) -> None:
    """The sender no longer waits: a reply or an error is dropped."""
    try:
        send(**request)
    except ClientError:
        return


class RemoteProvider:
    """A provider behind the adapters' HTTP. A request that `admit` turns down gets a 429."""

    def __init__(self, provider: Any, calls: RemoteCalls) -> None:
        self._provider: FakeProvider = provider
        self._calls = calls
        self.admit: Callable[[], bool] = lambda: True
        self._name = type(provider).__name__.removeprefix("Fake").lower()
        self._refused_keys: set[str] = set()
        self.outage_until = 0.0

    def handle(self, request: Request) -> Response:
        fault, seconds = self._calls.begin(f"{self._name}.{request.method}", PROVIDER_FAULTS)
        if fault == "killed_before":
            raise ProcessKilled
        if fault in LATE:
            self._calls.send_late(fault, seconds, lambda: self._arrive(request, None), 0.0)
            return Response(504, UnparsedBody("<html>"), answered=fault == "failed_late")
        response = self._arrive(request, fault)
        if fault == "killed_after":
            raise ProcessKilled
        return replace(response, body=UnparsedBody("<html>")) if fault == "malformed" else response

    def _arrive(self, request: Request, fault: str | None) -> Response:
        with self._only_fault(self._fault(request, fault)):
            return self._provider.handle(request)

    def _fault(self, request: Request, fault: str | None) -> Fault | None:
        """The call's own fault, after the lasting ones: a refused idempotency key stays refused."""
        key = request.headers.get("idempotency-key")
        if fault == "refused" and key:
            self._refused_keys.add(key)
        if key in self._refused_keys:
            return replace(PROVIDER_FAULT["refused"])
        if self._calls.scheduler.clock() < self.outage_until:
            return Fault("server_error", status=503)
        if not self.admit():
            return Fault("rate_limited", seconds=1)
        return replace(PROVIDER_FAULT[fault]) if fault in PROVIDER_FAULT else None

    @contextmanager
    def _only_fault(self, fault: Fault | None) -> Iterator[None]:
        before = self._provider.faults
        if fault:
            self._provider.faults = Faults()
            self._provider.faults.add(fault)
        try:
            yield
        finally:
            self._provider.faults = before


def calling_site() -> tuple[str, str]:
    """The adapter method that makes the call, and the function of the use case that called the adapter."""
    frame: FrameType | None = sys._getframe(2)
    method = ""
    while frame:
        module, name = str(frame.f_globals.get("__name__", "")), frame.f_code.co_qualname
        inner = "<locals>" in name or name.rpartition(".")[2].startswith("_") or "." not in name
        if not module.startswith(("onramp.", "functions.", "tests.simulation.operator_steps")):
            pass
        elif not module.startswith("onramp.adapters."):
            caller = name.partition(".<locals>")[0]
            return method or f"{module.rpartition('.')[2]}.{name}", caller
        elif not (method or inner):
            method = name
        frame = frame.f_back
    return method, "outside"
