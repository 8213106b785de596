"""Events and messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.simulation.invariants.registry import holds

if TYPE_CHECKING:
    from tests.simulation.scheduler import Process
    from tests.simulation.simulation import Simulation
    from tests.simulation.writes import Answer


@holds("published")
def no_event_without_its_cause(sim: Simulation, envelope: Mapping[str, Any]) -> str | None:
    """No UserSignedUp without a record, no UserProvisioned without a ready profile; always one eventId per user and
    kind."""
    kind, data = envelope["detail-type"], envelope["detail"]["data"]
    sub = data["cognitoSub"]
    if kind == "UserSignedUp" and (data["userId"], sub) not in sim.observed.linked:
        return f"UserSignedUp of {data['userId']} before its record"
    if kind == "UserProvisioned" and sub not in sim.observed.ready:
        return f"UserProvisioned of {sub} before ready"
    ids = sim.observed.event_ids[f"{kind} of {sub}"]
    ids.add(envelope["detail"]["metadata"]["eventId"])
    return f"{kind} of {sub} under {len(ids)} ids" if len(ids) > 1 and kind != "UserProvisioningFailed" else None


@holds("answered", "raised")
def poison_fails_alone(sim: Simulation, answer: Answer | Exception) -> str | None:
    """A failing message fails alone: the worker answers every batch, and reports exactly the messages that failed."""
    if isinstance(answer, Exception):
        return f"the worker raised {answer!r}"
    return None if answer.failed == answer.raised else f"reported {answer.failed}, failed {answer.raised}"


@holds("acknowledged")
def acknowledged_only_after_durable(
    sim: Simulation, record: Mapping[str, Any], sub: str, worker: Process
) -> str | None:
    """A message is acknowledged only when its user is ready, or it is a dead letter, or one of the user was sent since
    its first receipt."""
    body, received = record["body"], int(record["attributes"]["ApproximateFirstReceiveTimestamp"]) / 1000
    durable = sub in sim.observed.ready or body in sim.observed.dead_letter_bodies
    durable = durable or sim.observed.dead_lettered_at.get(sub, 0.0) >= received
    return None if durable else f"{sub or body[:40]} is neither"
