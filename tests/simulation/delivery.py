"""From the bus to the queue, and from the queue to the worker: at least once, in no order, and not always."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.fakes.lambda_events import failed_ids
from tests.pipeline import QUEUE
from tests.simulation.history import sub_in
from tests.simulation.scheduler import NEVER, Process

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

CONCURRENCY = 2
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
LATE = {"minutes": 40 * MINUTE, "hours": 25 * HOUR, "days": 20 * DAY}


class Delivery:
    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._workers = 0
        self._seen: Counter[str] = Counter()
        self.off = 0
        """By how many the event source mapping is switched off."""

    def take(self, envelope: Mapping[str, Any]) -> None:
        """The rule's target."""
        bus = self._process("bus", str(envelope["detail"]["data"]["cognitoSub"]))
        spot = bus.label, "deliver"
        fault = self._sim.weather.fault(bus, spot, ("lost", "twice", "newer", *LATE))
        delay = self._sim.weather.latency(bus, spot) + LATE.get(fault or "", 0.0)
        body = newer(envelope) if fault == "newer" else envelope
        copies = {"lost": 0, "twice": 2}.get(fault or "", 1)
        for copy in range(copies):
            later = delay + copy * self._sim.weather.between(spot, 0, HOUR)
            self._sim.scheduler.later(later, partial(self._queue, body))

    def _queue(self, body: Mapping[str, Any]) -> None:
        self._sim.sqs.put(QUEUE, json.dumps(body, separators=(",", ":")))

    def poll(self) -> float:
        """The event source mapping: at most so many workers at a time. When it wants to look again."""
        queue = self._sim.sqs.queues[QUEUE]
        while self._workers < CONCURRENCY and not self.off:
            if queue.next_visible() > self._sim.clock():
                return queue.next_visible()
            batch = self._sim.sqs.lambda_batch(QUEUE)
            if batch["Records"]:
                self._workers += 1
                worker = self._process("worker", sub_in(batch["Records"][0]["body"]))
                self._sim.scheduler.start(worker, partial(self._work, worker, batch))
        return NEVER

    def _process(self, role: str, sub: str | None) -> Process:
        """Named and numbered by the user (a worker by the first of its batch), whatever happens to others."""
        person = self._sim.history.confirmed.get(sub or "")
        name = f"{role}-{person.name}{person.number or ''}" if person else f"{role}-nobody"
        self._seen[name] += 1
        return self._sim.person(f"{name}-{self._seen[name]}", role)

    def _work(self, worker: Process, batch: Mapping[str, Any]) -> None:
        try:
            answer = self._sim.lambdas.invoke(worker, "enrich_profile", batch)
            fault, _ = self._sim.network.call("mapping.answer", ("lost_reply", "killed_after"))
        except Exception as error:  # noqa: BLE001  # the whole batch comes back
            self._sim.history.raised(error)
        else:
            self._sim.history.answered(worker, answer)
            if not fault:  # else the function is done, but the mapping never hears of it
                self._settle(worker, batch, answer)
        finally:
            self._workers -= 1

    def _settle(self, worker: Process, batch: Mapping[str, Any], answer: Any) -> None:
        failed = failed_ids(batch, answer)
        for record in batch["Records"]:
            if record["messageId"] not in failed:
                self._sim.history.acknowledged(worker, record)
        self._sim.sqs.settle(batch, answer)


def newer(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """The event as a later release may publish it: a minor version up, with fields nobody knows yet."""
    detail = envelope["detail"]
    return {
        **envelope,
        "canary": "canary-envelope",
        "detail": {
            "metadata": {**detail["metadata"], "schemaVersion": "1.9", "canary": "canary-metadata"},
            "data": {**detail["data"], "canary": {"deep": ["canary-data"]}},
            "canary": "canary-detail",
        },
    }
