"""What happens around the pipeline: poison in the queue, replays of the archive, providers that fail or refuse."""

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
    """What no worker can do anything with."""
    nobody = str(uuid.uuid5(uuid.NAMESPACE_OID, step.label))
    envelope: dict[str, Any] = {
        "source": "onramp.signup",
        "detail-type": "UserSignedUp",
        "detail": {
            "metadata": {
                "eventId": nobody,
                "schemaVersion": "2.0" if step.args["kind"] == "future" else "1.0",
                "occurredAt": "2026-01-01T00:00:00Z",
                "correlationId": "poison",
                "origin": "signup",
            },
            "data": {
                "userId": "nobody@example.com",
                "cognitoSub": nobody,
                "userPoolId": POOL,
                "email": "nobody@example.com",
                "emailVouchedBy": "cognito",
                "roles": ["admin"],
                "onboarding": "self_service",
                "identityProvider": "Cognito",
                "signedUpAt": "2026-01-01T00:00:00Z",
            },
        },
    }
    body = json.dumps(envelope) if step.args["kind"] in ("unknown", "future") else f"{{{step.args['kind']} {nobody}"
    sim.history.poison[body] = nobody
    sim.sqs.put(QUEUE, body)


def replay(sim: Simulation, step: Step) -> None:
    """The archive: everything the bus ever took of this user, or of everybody."""
    sub = step.who.sub if step.who else None
    sim.events.replay(BUS, [event for event in list(sim.events.events) if sub in (None, sub_of(event))])


def sub_of(envelope: dict[str, Any]) -> str:
    return str(envelope["detail"]["data"]["cognitoSub"])


def outage(sim: Simulation, step: Step) -> None:
    sim.providers[step.args["of"]].outage_until = sim.clock() + step.args["seconds"]


def refuse(sim: Simulation, step: Step) -> None:
    """From now on the provider refuses whatever contains this, until somebody changes it."""
    provider = {"stripe": sim.stripe, "revenuecat": sim.revenuecat}[step.args["of"]]
    provider.faults.add(Fault("refused", times=None, match=step.args["match"], operation="create"))


def strangers(sim: Simulation, step: Step) -> None:
    """Customers of other systems with the same address."""
    for number in range(step.args["count"]):
        body = f"email={quote_plus(str(step.who and step.who.email).lower())}&metadata[shop]=other"
        headers = {"authorization": f"Bearer {sim.stripe.accepted_key}", "idempotency-key": f"{step.label}/{number}"}
        sim.stripe.handle(Request("POST", "/v1/customers", "", headers, body.encode()))


def rotate_key(sim: Simulation, step: Step) -> None:
    """The old key stops working at once, the new one is stored a little later."""
    name, key = step.args["of"], f"sk_rotated_{step.number}"
    {"stripe": sim.stripe, "revenuecat": sim.revenuecat}[name].accepted_key = key
    sim.scheduler.later(step.args["seconds"], lambda: sim.ssm.set(f"/{name}", key))


def empty_dead_letters(sim: Simulation, _: Step) -> None:
    """They expire after 14 days, or somebody purges them."""
    for message in sim.sqs.messages(DLQ):
        sim.sqs.queues[DLQ].delete(message)
