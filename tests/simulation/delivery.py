"""From the bus to a queue, and from the queue to its function: unordered, duplicated, late, or lost on the bus."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.fakes.lambda_events import failed_ids
from tests.pipeline import HEAL_QUEUE, QUEUE
from tests.simulation.scheduler import NEVER, Process
from tests.simulation.writes import sub_in

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
LATE = {"minutes": 40 * MINUTE, "hours": 25 * HOUR, "days": 20 * DAY}


class Delivery:
    def __init__(self, sim: Simulation) -> None:
        self._sim = sim
        self._running = {QUEUE: 0, HEAL_QUEUE: 0}
        self._seen: Counter[str] = Counter()
        self.disabled = 0
        """How many steps have disabled the event source mapping; it polls at 0."""

    def deliver(self, envelope: Mapping[str, Any]) -> None:
        """The target of the rule for UserSignedUp."""
        self._deliver(envelope, "bus", QUEUE)

    def deliver_handover(self, envelope: Mapping[str, Any]) -> None:
        """The target of the rule for SignupNotRecorded."""
        self._deliver(envelope, "handover", HEAL_QUEUE)

    def _deliver(self, envelope: Mapping[str, Any], role: str, queue: str) -> None:
        sub = str(envelope["detail"]["data"]["cognitoSub"])
        bus = self._process(role, sub)
        spot = bus.label, "deliver"
        fault = self._sim.faults.fault(bus, spot, ("lost", "twice", "newer", *LATE))
        delay = self._sim.faults.latency(bus, spot) + LATE.get(fault or "", 0.0)
        body = newer(envelope) if fault == "newer" else envelope
        copies = {"lost": 0, "twice": 2}.get(fault or "", 1)
        if queue == HEAL_QUEUE and copies:
            self._sim.observed.handed_over.add(sub)
        for copy in range(copies):
            later = delay + copy * self._sim.faults.duration(spot, 0, HOUR)
            self._sim.scheduler.later(later, partial(self._queue, queue, body))

    def _queue(self, queue: str, body: Mapping[str, Any]) -> None:
        self._sim.sqs.put(queue, json.dumps(body, separators=(",", ":")))

    def poll(self) -> float:
        """Both event source mappings. Returns the time of the next poll."""
        worker = NEVER if self.disabled else self._poll(QUEUE, "worker", self._work)
        return min(worker, self._poll(HEAL_QUEUE, "heal", self._heal))

    def _poll(self, name: str, role: str, work: Callable[[Process, Mapping[str, Any]], None]) -> float:
        """At most `MAXIMUM_CONCURRENCY` invocations at once."""
        queue = self._sim.sqs.queues[name]
        while self._running[name] < int(self._sim.settings["MAXIMUM_CONCURRENCY"]):
            if queue.next_visible() > self._sim.clock():
                return queue.next_visible()
            batch = self._sim.sqs.lambda_batch(name)
            if batch["Records"]:
                self._running[name] += 1
                process = self._process(role, sub_in(batch["Records"][0]["body"]))
                self._sim.scheduler.start(process, partial(work, process, batch))
        return NEVER

    def _process(self, role: str, sub: str | None) -> Process:
        """Named and numbered per user (a worker by the first message of its batch), independent of other users."""
        person = self._sim.observed.confirmed.get(sub or "")
        name = f"{role}-{person.name}{person.number or ''}" if person else f"{role}-unknown"
        self._seen[name] += 1
        return self._sim.new_process(f"{name}-{self._seen[name]}", role)

    def _work(self, worker: Process, batch: Mapping[str, Any]) -> None:
        try:
            answer = self._sim.lambdas.invoke(worker, "enrich_profile", batch)
            fault, _ = self._sim.remote_calls.begin("mapping.answer", ("lost_reply", "killed_after"))
        except Exception as error:  # noqa: BLE001  # the whole batch is received again
            self._sim.observed.on_worker_error(error)
        else:
            self._sim.observed.on_answer(worker, answer)
            if not fault:  # otherwise the function has ended, but its answer is lost on the way to the mapping
                self._settle(worker, batch, answer)
        finally:
            self._running[QUEUE] -= 1

    def _heal(self, process: Process, batch: Mapping[str, Any]) -> None:
        try:
            answer = self._sim.lambdas.invoke(process, "heal_signup", batch)
            fault, _ = self._sim.remote_calls.begin("mapping.answer", ("lost_reply", "killed_after"))
        except Exception as error:  # noqa: BLE001  # the whole batch is received again
            self._sim.observed.on_worker_error(error)
        else:
            if not fault:
                for record in acknowledged(batch, answer):
                    self._sim.observed.on_healed(sub_in(record["body"]) or "")
                self._sim.sqs.settle(batch, answer)
        finally:
            self._running[HEAL_QUEUE] -= 1

    def _settle(self, worker: Process, batch: Mapping[str, Any], answer: Any) -> None:
        for record in acknowledged(batch, answer):
            self._sim.observed.on_acknowledgement(worker, record)
        self._sim.sqs.settle(batch, answer)


def acknowledged(batch: Mapping[str, Any], answer: Any) -> list[Mapping[str, Any]]:
    failed = failed_ids(batch, answer)
    return [record for record in batch["Records"] if record["messageId"] not in failed]


def newer(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """The event as a later release may publish it: a newer minor version with additional fields."""
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
