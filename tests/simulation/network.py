"""Every remote call of the real code: it takes its time, others go on meanwhile, and it may go wrong."""

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
from tests.fakes.providers import Garbage
from tests.simulation.scheduler import Scheduler
from tests.simulation.weather import MOST_LATE, Weather

LATE = ("late", "killed_late", "failed_late")
AT_PROVIDER = {
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
PROVIDER_FAULTS = (*AT_PROVIDER, "malformed", "killed_before", "killed_after", *LATE)
""" `failed_late`: a gateway gives up with a 504, and the provider does it later."""


class Network:
    def __init__(self, scheduler: Scheduler, weather: Weather, sites: SiteLog, trace: list[str]) -> None:
        self.scheduler, self.weather, self.sites, self.trace = scheduler, weather, sites, trace

    def call(self, operation: str, kinds: Sequence[str]) -> tuple[str | None, float]:
        """Lets the others go on; then the fault this call is to suffer, and how late it is if it is late."""
        process = self.scheduler.process
        if process is None:
            return None, 0.0
        method, user = calling_site()
        spot = process.label, process.occurrence(method or operation)
        self.scheduler.sleep(self.weather.latency(process, spot))
        fault = self.weather.fault(process, spot, kinds)
        self.sites.record(Site(operation, f"{method} < {user}"), fault)
        self.trace.append(f"{self.scheduler.elapsed:12.3f} {spot[0]} {operation} {spot[1]} {fault or ''}")
        return fault, self.weather.between(spot, 9.0, MOST_LATE) if fault in LATE else 0.0

    def late(self, fault: str, seconds: float, arrives: Callable[[], object], patience: float) -> None:
        """The request is on its way; whoever sent it stops waiting, or dies."""
        self.scheduler.later(seconds, arrives, self.scheduler.process)
        if fault == "killed_late":
            raise ProcessKilled
        self.scheduler.sleep(patience)


class RemoteClient(Faulty):
    """An AWS client as the code under test holds it."""

    def __init__(self, client: Any, network: Network) -> None:
        super().__init__(client, lambda *_: None, network.sites, network.scheduler.sleep)
        self._network = network

    def __getattr__(self, name: str) -> Any:
        send = getattr(self._client, name)
        if name not in self._client.meta.method_to_api_mapping:
            return send
        kinds = (*faults_for(name), "late", "killed_late")

        def call(**request: Any) -> Reply:
            fault, seconds = self._network.call(f"{self._service}.{name}", kinds)
            if fault in LATE:
                self._network.late(fault, seconds, lambda: _in_vain(send, request), READ_TIMEOUT)
                raise ReadTimeoutError(endpoint_url=ENDPOINT)
            reply: Reply = self._faulted(fault, name, send, request) if fault else send(**request)
            return reply

        return call


def _in_vain(send: Callable[..., Reply], request: dict[str, Any]) -> None:
    """Nobody hears the answer."""
    try:
        send(**request)
    except ClientError:
        return


class RemoteProvider:
    """A provider as the adapters' HTTP reaches it; whom `lets_in` refuses gets a 429."""

    def __init__(self, provider: Any, network: Network) -> None:
        self._provider: FakeProvider = provider
        self._network = network
        self.lets_in: Callable[[], bool] = lambda: True
        self._name = type(provider).__name__.removeprefix("Fake").lower()
        self._refused_keys: set[str] = set()
        self.outage_until = 0.0

    def handle(self, request: Request) -> Response:
        fault, seconds = self._network.call(f"{self._name}.{request.method}", PROVIDER_FAULTS)
        if fault == "killed_before":
            raise ProcessKilled
        if fault in LATE:
            self._network.late(fault, seconds, lambda: self._arrive(request, None), 0.0)
            return Response(504, Garbage("<html>"), answered=fault == "failed_late")
        response = self._arrive(request, fault)
        if fault == "killed_after":
            raise ProcessKilled
        return replace(response, body=Garbage("<html>")) if fault == "malformed" else response

    def _arrive(self, request: Request, fault: str | None) -> Response:
        with self._suffering(self._fault(request, fault)):
            return self._provider.handle(request)

    def _fault(self, request: Request, fault: str | None) -> Fault | None:
        key = request.headers.get("idempotency-key")
        if fault == "refused" and key:
            self._refused_keys.add(key)
        if key in self._refused_keys:
            return replace(AT_PROVIDER["refused"])
        if self._network.scheduler.clock() < self.outage_until:
            return Fault("server_error", status=503)
        if not self.lets_in():
            return Fault("rate_limited", seconds=1)
        return replace(AT_PROVIDER[fault]) if fault in AT_PROVIDER else None

    @contextmanager
    def _suffering(self, fault: Fault | None) -> Iterator[None]:
        standing = self._provider.faults
        if fault:
            self._provider.faults = Faults()
            self._provider.faults.add(fault)
        try:
            yield
        finally:
            self._provider.faults = standing


def calling_site() -> tuple[str, str]:
    """The adapter's method that makes the call, and the use case's function that wanted it."""
    frame: FrameType | None = sys._getframe(2)
    method = ""
    while frame:
        module, name = str(frame.f_globals.get("__name__", "")), frame.f_code.co_qualname
        inner = "<locals>" in name or name.rpartition(".")[2].startswith("_") or "." not in name
        if not module.startswith(("onramp.", "functions.", "tests.simulation.operators")):
            pass
        elif not module.startswith("onramp.adapters."):
            user = name.partition(".<locals>")[0]
            return method or f"{module.rpartition('.')[2]}.{name}", user
        elif not (method or inner):
            method = name
        frame = frame.f_back
    return method, "outside"
