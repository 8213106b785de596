"""The chapters in which something breaks, and what becomes of it."""

from __future__ import annotations

import json

from onramp.domain.event_data import Kind
from onramp.local.demo import stations
from onramp.local.demo.expectations import eventually, expect
from onramp.local.demo.people import IVO
from onramp.local.demo.pipeline import Item
from onramp.local.demo.stage import Stage
from onramp.local.demo.stations import Journey, Sight

ATTEMPTS_TO_SEE = 2
GARBAGE = '{"detail": "I am no'
GHOST = "ghost@example.com"
LETTER = ("step", "reason", "errorCode", "attempts", "firstFailedAt", "codeVersion")


def stripe_goes_down_and_comes_back(stage: Stage) -> None:
    stage.screen.chapter("Stripe goes down and comes back", "Every request gets a 500. Ivo signs up all the same.")
    stage.stripe.fault("server_error", times=None)
    journey = stage.sign_up(IVO)
    stations.watch(journey, stations.WITHOUT_STRIPE, stage.screen)
    attempts = 0
    while attempts < ATTEMPTS_TO_SEE:
        attempts = _backs_off(stage, journey, attempts)
    stage.stripe.clear()
    stage.screen.say("Stripe is back. The message returns by itself when its backoff is over.")
    stations.watch(journey, stations.AFTER_STRIPE, stage.screen)
    _one_customer(stage, journey)


def _backs_off(stage: Stage, journey: Journey, seen: int) -> int:
    """Shows the first failed attempt after those `seen`. The number of attempts so far."""

    def failed_again() -> Sight | None:
        sight = journey.look()
        waits = _step(sight).get("state") == "retrying" and stations.owed(sight.user) == "enrich"
        return sight if waits and _step(sight)["attempts"] > seen else None

    with stage.screen.waiting() as waiting_for:
        waiting_for(f"attempt {seen + 1} at Stripe")
        sight = eventually(failed_again, f"attempt {seen + 1} at Stripe fails, the step is retrying, enrich is owed")
    step = _step(sight)
    detail = f"{step['state']} · attempt {step['attempts']} · {step['errorCode']} · owed {stations.owed(sight.user)}"
    stage.screen.line("Stripe", detail, sight.millis, mark="retry")
    return int(step["attempts"])


def _step(sight: Sight) -> Item:
    """The worker's own note of how far Stripe's step got."""
    step: Item = sight.profile.get("provisioning", {}).get("stripe", {})
    return step


def _one_customer(stage: Stage, journey: Journey) -> None:
    sub = journey.signup.sub
    customers = [customer["id"] for customer in stage.stripe.customers() if customer["metadata"]["cognitoSub"] == sub]
    kept = journey.look().profile["stripeCustomerId"]
    expect(customers == [kept], f"Ivo has one Stripe customer (they are {customers})")
    calls = [call for call in stage.stripe.calls() if sub in call["body"]]
    keys = {call["idempotency_key"] for call in calls}
    expect(len(keys) == 1, f"every attempt has the same idempotency key (they are {keys})")
    asked = f"after {len(calls)} requests under {len(keys)} idempotency key"
    stage.screen.line("customers", f"{len(customers)} at Stripe, {asked}")


def poison_is_put_aside(stage: Stage) -> None:
    stage.screen.chapter("Two poison messages", "Garbage, and a forged event about a user that does not exist.")
    calls = len(stage.stripe.calls()), len(stage.revenuecat.calls())
    sent = {"garbage": GARBAGE, "forgery": _forgery(stage)}
    for body in sent.values():
        stage.pipeline.enqueue(body)
    letters = _letters(stage, sent)
    rows = [(name, *(letter[name] for letter in letters.values())) for name in LETTER]
    rows.append(("body", *(f"as it came, {len(letter['body'].encode())} bytes" for letter in letters.values())))
    stage.screen.table(("dead letter", *letters), rows)
    expect((len(stage.stripe.calls()), len(stage.revenuecat.calls())) == calls, "poison reaches no provider")
    eventually(lambda: stage.pipeline.depth("ProvisioningQueueUrl") == (0, 0), "the queue is empty again")
    stage.screen.line("queue", "empty again · no provider was called")


def _forgery(stage: Stage) -> str:
    """Ivo's event as EventBridge delivered it, with somebody else's address."""
    event = stage.witness.events(stage.signups[-1])[Kind.USER_SIGNED_UP]
    detail = {**event["detail"], "data": {**event["detail"]["data"], "userId": GHOST, "email": GHOST}}
    return json.dumps({**event, "detail": detail})


def _letters(stage: Stage, sent: dict[str, str]) -> dict[str, Item]:
    """The dead letters, by what was sent."""
    found: dict[str, Item] = {}

    def all_found() -> bool:
        bodies = {letter["body"]: letter for letter in stage.pipeline.dead_letters()}
        found.update({name: bodies[body] for name, body in sent.items() if body in bodies})
        return len(found) == len(sent)

    with stage.screen.waiting() as waiting_for:
        waiting_for("the dead letters")
        eventually(all_found, "both poison messages are dead letters, bodies unchanged")
    return {name: found[name] for name in sent}
