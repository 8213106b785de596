"""Steps around the pipeline: poison messages, replays of the archive, provider failures, expired messages."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from onramp.local.fakes.faults import Fault
from onramp.local.fakes.messages import Request
from tests.pipeline import BUS, DLQ, POOL, QUEUE
from tests.simulation.schedules import Step

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation


def poison(sim: Simulation, step: Step) -> None:
    """A message that no worker can process: unknown user, unsupported version, or not JSON."""
    unknown_sub = str(uuid.uuid5(uuid.NAMESPACE_OID, step.label))
    envelope: dict[str, Any] = {
        "source": "onramp.signup",
        "detail-type": "UserSignedUp",
        "detail": {
            "metadata": {
                "eventId": unknown_sub,
                "schemaVersion": "2.0" if step.args["kind"] == "future" else "1.0",
                "occurredAt": "2026-01-01T00:00:00Z",
                "correlationId": "poison",
                "origin": "signup",
            },
            "data": {
                "userId": "unknown@example.com",
                "cognitoSub": unknown_sub,
                "userPoolId": POOL,
                "email": "unknown@example.com",
                "emailVouchedBy": "cognito",
                "roles": ["admin"],
                "onboarding": "self_service",
                "identityProvider": "Cognito",
                "signedUpAt": "2026-01-01T00:00:00Z",
            },
        },
    }
    kind = step.args["kind"]
    sim.sqs.put(QUEUE, json.dumps(envelope) if kind in ("unknown", "future") else f"{{{kind} {unknown_sub}")


def replay(sim: Simulation, step: Step) -> None:
    """A replay of the archive: all events of this person, or all events."""
    sub = step.person.sub if step.person else None
    sim.events.replay(BUS, [event for event in list(sim.events.events) if sub in (None, sub_of(event))])


def sub_of(envelope: dict[str, Any]) -> str:
    return str(envelope["detail"]["data"]["cognitoSub"])


def outage(sim: Simulation, step: Step) -> None:
    sim.providers[step.args["of"]].outage_until = sim.clock() + step.args["seconds"]


def refuse(sim: Simulation, step: Step) -> None:
    """From now on the provider refuses every request that contains `match`."""
    provider = {"stripe": sim.stripe, "revenuecat": sim.revenuecat}[step.args["of"]]
    provider.faults.add(Fault("refused", times=None, match=step.args["match"], operation="create"))


def foreign_customers(sim: Simulation, step: Step) -> None:
    """Creates Stripe customers of another system with the same address."""
    for number in range(step.args["count"]):
        body = f"email={quote_plus(str(step.person and step.person.email).lower())}&metadata[shop]=other"
        headers = {"authorization": f"Bearer {sim.stripe.accepted_key}", "idempotency-key": f"{step.label}/{number}"}
        sim.stripe.handle(Request("POST", "/v1/customers", "", headers, body.encode()))


def rotate_key(sim: Simulation, step: Step) -> None:
    """The old key stops working at once; the new one is stored `seconds` later."""
    name, key = step.args["of"], f"sk_rotated_{step.number}"
    {"stripe": sim.stripe, "revenuecat": sim.revenuecat}[name].accepted_key = key
    sim.scheduler.later(step.args["seconds"], lambda: sim.ssm.set(f"/{name}", key))


def empty_dead_letters(sim: Simulation, _: Step) -> None:
    """The queue is purged, or its messages expire."""
    for message in sim.sqs.messages(DLQ):
        sim.sqs.queues[DLQ].delete(message)
