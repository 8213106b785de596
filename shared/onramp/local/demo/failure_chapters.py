"""The chapters with a failure: a Stripe outage, and poison messages in the queue."""

from __future__ import annotations

import json

from onramp.domain.event_data import Kind
from onramp.local.demo.checks import eventually, expect
from onramp.local.demo.context import DemoContext
from onramp.local.demo.pipeline import Item
from onramp.local.demo.signup_stages import (
    STAGES_BEFORE_STRIPE,
    STAGES_FROM_STRIPE,
    SignupReader,
    SignupState,
    owed,
    show_stages,
)
from onramp.local.demo.users import IVO
from onramp.local.parameters import LOCAL

FAILED_ATTEMPTS = 2
NOT_JSON = '{"detail": "I am no'
UNKNOWN_EMAIL = "ghost@example.com"
DEAD_LETTER_ATTRIBUTES = ("step", "reason", "errorCode", "attempts", "firstFailedAt", "codeVersion")


def stripe_outage(context: DemoContext) -> None:
    context.screen.chapter(
        "Stripe fails and recovers",
        "Every request gets a 500. Ivo signs up during the outage. The backoff is shortened: on this machine it starts"
        f" at {LOCAL['RetryBackoffBaseSeconds']} s, in AWS at 15 s.",
    )
    context.stripe.fault("server_error", times=None)
    reader = context.sign_up(IVO)
    show_stages(reader, STAGES_BEFORE_STRIPE, context.screen)
    attempts = 0
    while attempts < FAILED_ATTEMPTS:
        attempts = _show_failed_attempt(context, reader, attempts)
    context.stripe.clear()
    context.screen.paragraph("Stripe works again. The message becomes visible when its backoff ends.")
    show_stages(reader, STAGES_FROM_STRIPE, context.screen)
    _check_one_customer(context, reader)


def _show_failed_attempt(context: DemoContext, reader: SignupReader, shown: int) -> int:
    """Waits for a failed attempt after the first `shown` and shows it. Returns the number of attempts so far."""

    def next_failure() -> SignupState | None:
        state = reader.read()
        retrying = _stripe_step(state).get("state") == "retrying" and owed(state.user) == "enrich"
        return state if retrying and _stripe_step(state)["attempts"] > shown else None

    with context.screen.waiting() as waiting_for:
        waiting_for(f"attempt {shown + 1} at Stripe")
        state = eventually(next_failure, f"attempt {shown + 1} at Stripe fails, the step is retrying, enrich is owed")
    step = _stripe_step(state)
    detail = f"{step['state']} · attempt {step['attempts']} · {step['errorCode']} · owed {owed(state.user)}"
    context.screen.line("Stripe", detail, state.millis, mark="retry")
    return int(step["attempts"])


def _stripe_step(state: SignupState) -> Item:
    """The Stripe step in the profile; empty before the worker's first attempt."""
    step: Item = state.profile.get("provisioning", {}).get("stripe", {})
    return step


def _check_one_customer(context: DemoContext, reader: SignupReader) -> None:
    sub = reader.signup.sub
    customers = [customer["id"] for customer in context.stripe.customers() if customer["metadata"]["cognitoSub"] == sub]
    stored = reader.read().profile["stripeCustomerId"]
    expect(customers == [stored], f"Ivo has one Stripe customer, the stored one (actual: {customers})")
    requests = [call for call in context.stripe.calls() if sub in call["body"]]
    keys = {call["idempotency_key"] for call in requests}
    expect(len(keys) == 1, f"every attempt has the same idempotency key (actual: {keys})")
    count = f"{len(customers)} at Stripe, after {len(requests)} requests with {len(keys)} idempotency key"
    context.screen.line("customers", count)


def poison_messages(context: DemoContext) -> None:
    context.screen.chapter("Two poison messages", "One is not JSON; one is a forged event for an unknown user.")
    calls = len(context.stripe.calls()), len(context.revenuecat.calls())
    bodies = {"not JSON": NOT_JSON, "forged event": _forged_event(context)}
    for body in bodies.values():
        context.pipeline.enqueue(body)
    dead_letters = _dead_letters(context, bodies)
    rows = [(name, *(letter[name] for letter in dead_letters.values())) for name in DEAD_LETTER_ATTRIBUTES]
    rows.append(("body", *(f"unchanged, {len(letter['body'].encode())} bytes" for letter in dead_letters.values())))
    context.screen.table(("dead letter", *dead_letters), rows)
    expect((len(context.stripe.calls()), len(context.revenuecat.calls())) == calls, "no provider is called")
    eventually(lambda: context.pipeline.depth("ProvisioningQueueUrl") == (0, 0), "the queue is empty")
    context.screen.line("queue", "empty · no provider was called")


def _forged_event(context: DemoContext) -> str:
    """Ivo's event as EventBridge delivered it, with the address of an unknown user."""
    event = context.listener.events(context.signups[-1])[Kind.USER_SIGNED_UP]
    data = {**event["detail"]["data"], "userId": UNKNOWN_EMAIL, "email": UNKNOWN_EMAIL}
    return json.dumps({**event, "detail": {**event["detail"], "data": data}})


def _dead_letters(context: DemoContext, bodies: dict[str, str]) -> dict[str, Item]:
    """Waits for the dead letter of each body. Returns them by the names of `bodies`."""
    received: dict[str, Item] = {}

    def all_received() -> bool:
        received.update({letter["body"]: letter for letter in context.pipeline.dead_letters()})
        return set(bodies.values()) <= set(received)

    with context.screen.waiting() as waiting_for:
        waiting_for("the dead letters")
        eventually(all_received, "both poison messages are dead letters with unchanged bodies")
    return {name: received[body] for name, body in bodies.items()}
