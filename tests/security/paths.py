"""Every way through the functions, walked by somebody whose every field is a canary. Each says in the log that it was.

A way that an AWS client or a provider blocks is blocked by one that quotes what it was sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from onramp.local.fakes.faults import Fault
from tests.pipeline import QUEUE, InMemoryPipeline
from tests.security import canaries
from tests.security.canaries import EMAIL, Quoting, QuotingProvider
from tests.security.sinks import Sinks

Path = Callable[[Sinks], None]
PATHS: dict[str, tuple[str, Path]] = {}
SUB = "7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e01"
OTHER = "a4e8c0d6-1071-70f3-8b2a-6c5d9e3f1b02"
SIGN_IN = {"triggerSource": "PostAuthentication_Authentication"}


def path(says: str) -> Callable[[Path], Path]:
    def add(way: Path) -> Path:
        PATHS[way.__name__] = says, way
        return way

    return add


def fail(pipeline: InMemoryPipeline, service: str, error: Callable[..., Exception], *only: str) -> None:
    pipeline.aws[service] = Quoting(pipeline.aws[service], error, only)
    pipeline.cold_start()


def signed_up(sinks: Sinks) -> None:
    sinks.try_to(sinks.pipeline.invoke_trigger, canaries.event(SUB))


def signs_in(sinks: Sinks) -> None:
    sinks.try_to(sinks.pipeline.invoke_trigger, canaries.event(SUB) | SIGN_IN)


def in_pool(pipeline: InMemoryPipeline, email: str = EMAIL) -> None:
    attributes = canaries.event(SUB)["request"]["userAttributes"]
    pipeline.cognito.add_user(SUB, {name: str(value) for name, value in attributes.items()} | {"email": email})
    pipeline.clock.advance(3600)


# -- the trigger ---------------------------------------------------------------------------------------


@path("created")
def a_signup(sinks: Sinks) -> None:
    signed_up(sinks)


@path("linked")
def a_pre_created_user(sinks: Sinks) -> None:
    sinks.pipeline.pre_create(EMAIL, "canary-role", costCentre={"S": "canary-cost"}, name={"S": "canary-name"})
    signed_up(sinks)


@path("retried")
def a_repeated_call(sinks: Sinks) -> None:
    for _ in range(2):
        signed_up(sinks)


def _rejected(cause: str, event: Any) -> None:
    def way(sinks: Sinks) -> None:
        sinks.pipeline.sign_up(EMAIL, OTHER)
        sinks.try_to(sinks.pipeline.invoke_trigger, event)

    PATHS[f"rejected {len(PATHS)} {cause}"] = f'"cause":"{cause}"', way


_rejected("malformed_event", ["canary"])
_rejected("malformed_event", canaries.event(SUB) | {"triggerSource": ["canary"]})
_rejected("malformed_event", canaries.event(SUB) | {"request": "canary"})
_rejected("unknown_user_pool", canaries.event(SUB) | {"userPoolId": "canary-pool"})
_rejected("unusable_sub", canaries.event("canary-sub"))
_rejected("unusable_email", canaries.event(SUB, email="canary at canary.example"))
_rejected("nobody_vouches", canaries.event(SUB, email_verified="canary"))
_rejected("linked_to_another_sub", canaries.event(SUB))


@path('"cause":"link_needs_verified_email"')
def rejected_link(sinks: Sinks) -> None:
    sinks.pipeline.pre_create(EMAIL, "canary-role")
    google = json.dumps([{"providerName": "Google", "providerType": "Google", "primary": "canary"}])
    event = canaries.event(SUB, email_verified="canary", identities=google)
    sinks.try_to(sinks.pipeline.invoke_trigger, event)


@path("sign-in of a user without a record")
def healed_at_sign_in(sinks: Sinks) -> None:
    signs_in(sinks)


# -- the worker ----------------------------------------------------------------------------------------


def worked(sinks: Sinks) -> None:
    sinks.try_to(sinks.pipeline.run_worker)


@path("provisioned")
def an_enrichment(sinks: Sinks) -> None:
    signed_up(sinks)
    worked(sinks)


@path("provisioned")
def an_enrichment_of_a_message_full_of_canaries(sinks: Sinks) -> None:
    signed_up(sinks)
    (queued,) = sinks.pipeline.sqs.messages(QUEUE)
    queued.body = canaries.message(json.loads(queued.body))
    worked(sinks)


def _retried(kind: Any, says: str) -> None:
    def way(sinks: Sinks) -> None:
        sinks.pipeline.stripe.faults.add(Fault(kind, times=None))
        sinks.pipeline.revenuecat.faults.add(Fault(kind, times=None))
        signed_up(sinks)
        worked(sinks)

    PATHS[f"retried {kind}"] = says, way


for _kind, _says in {
    "server_error": "stripe_500",
    "timeout": "stripe_unreachable",
    "rate_limited": "stripe_429",
    "unauthorized": "ProviderKeyRejected",
}.items():
    _retried(_kind, _says)


@path("retries_exhausted")
def retries_run_out(sinks: Sinks) -> None:
    sinks.pipeline.configure(MAX_RECEIVE_COUNT="1")
    sinks.pipeline.stripe.faults.add(Fault("server_error", times=None))
    signed_up(sinks)
    worked(sinks)


@path("ProviderKeyRejected")
def a_key_that_was_rotated_too_early(sinks: Sinks) -> None:
    sinks.pipeline.stripe.accepted_key = "sk_live_another_canary"
    signed_up(sinks)
    worked(sinks)


@path("PermanentFailure")
def a_permanent_failure(sinks: Sinks) -> None:
    _providers(sinks.pipeline, 400)
    signed_up(sinks)
    worked(sinks)


@path("Retried")
def a_provider_in_trouble(sinks: Sinks) -> None:
    _providers(sinks.pipeline, 503)
    signed_up(sinks)
    worked(sinks)


def _providers(pipeline: InMemoryPipeline, status: int) -> None:
    quoting: Any = QuotingProvider(status)
    pipeline.stripe = pipeline.revenuecat = quoting
    pipeline.cold_start()


def poison(pipeline: InMemoryPipeline) -> Iterator[str]:
    """Bodies that end as dead letters, each for another reason."""
    good = json.loads(canaries.message(pipeline.published("UserSignedUp")[0]))
    yield "canary is not JSON"
    yield json.dumps({"canary": "canary"})
    yield json.dumps([f"canary-{number}" for number in range(3)])
    for changes in (
        {"metadata": {"schemaVersion": "canary.0"}},
        {"metadata": {"schemaVersion": "2.canary"}},
        {"metadata": {"eventId": "canary"}},
        {"metadata": {"occurredAt": "canary"}},
        {"data": {"userId": "canary.unknown@canary.example"}},
        {"data": {"cognitoSub": OTHER}},
        {"data": {"cognitoSub": "canary"}},
        {"data": {"roles": {"canary": ["canary"]}}},
        {"data": {"onboarding": "canary"}},
    ):
        body = json.loads(json.dumps(good))
        for part, values in changes.items():
            body["detail"][part] |= values
        yield json.dumps(body)


@path("PermanentFailure")
def poison_messages(sinks: Sinks) -> None:
    signed_up(sinks)
    for body in poison(sinks.pipeline):
        sinks.pipeline.sqs.put(QUEUE, body)
    worked(sinks)
    assert len(sinks.pipeline.dead_letters()) == len(list(poison(sinks.pipeline)))


@path("will retry")
def a_dead_letter_queue_that_fails(sinks: Sinks) -> None:
    signed_up(sinks)
    sinks.pipeline.sqs.put(QUEUE, "canary")
    fail(sinks.pipeline, "sqs", canaries.refusal, "send_message")
    worked(sinks)


@path("WorkerBug")
def a_record_of_the_batch_that_is_none(sinks: Sinks) -> None:
    record = {"messageId": "canary", "body": "canary", "receiptHandle": "canary", "attributes": {}}
    record["attributes"] = {"ApproximateReceiveCount": "canary", "ApproximateFirstReceiveTimestamp": "canary"}
    sinks.try_to(sinks.pipeline.invoke_worker, {"Records": [record]})


# -- the reconciler ------------------------------------------------------------------------------------


def owed_and_lost(sinks: Sinks) -> None:
    signed_up(sinks)
    in_pool(sinks.pipeline)


def reconciled(sinks: Sinks) -> None:
    sinks.pipeline.clock.advance(24 * 3600)
    sinks.try_to(sinks.pipeline.reconcile)


@path("EmittedAgain")
def what_is_owed(sinks: Sinks) -> None:
    signed_up(sinks)
    reconciled(sinks)
    reconciled(sinks)


@path('"healed"')
def a_sweep_that_heals(sinks: Sinks) -> None:
    in_pool(sinks.pipeline)
    reconciled(sinks)


@path("refused_unusable_email")
def a_sweep_that_refuses(sinks: Sinks) -> None:
    in_pool(sinks.pipeline, "canary at canary.example")
    reconciled(sinks)


@path("ReconcileFailed")
def a_reconciler_that_is_refused_everything(sinks: Sinks) -> None:
    owed_and_lost(sinks)
    for service in ("dynamodb", "events", "sqs", "cognito-idp"):
        fail(sinks.pipeline, service, canaries.refusal)
    reconciled(sinks)


# -- each function with one client that quotes what it was sent ---------------------------------------------


# What was there before, what is then done, which client fails how, and what the log says of it.
BLOCKED: tuple[tuple[Path | None, Path, str, Callable[..., Exception], str], ...] = (
    (None, signed_up, "dynamodb", canaries.refusal, "users_update_AccessDeniedException"),
    (None, signed_up, "dynamodb", canaries.bug, "ValueError at canaries.py"),
    (None, signed_up, "events", canaries.throttling, "put_events_ThrottlingException"),
    (None, signs_in, "dynamodb", canaries.refusal, "HealFailed"),
    (None, signs_in, "dynamodb", canaries.bug, "HealFailed"),
    (signed_up, worked, "dynamodb", canaries.refusal, "will retry"),
    (signed_up, worked, "dynamodb", canaries.bug, "WorkerBug"),
    (signed_up, worked, "events", canaries.throttling, "will retry"),
    (signed_up, worked, "ssm", canaries.refusal, "SecretUnreadable"),
    (owed_and_lost, reconciled, "dynamodb", canaries.refusal, "ReconcileFailed"),
    (owed_and_lost, reconciled, "dynamodb", canaries.bug, "ReconcileFailed"),
    (owed_and_lost, reconciled, "events", canaries.throttling, "ReconcileFailed"),
    (owed_and_lost, reconciled, "cognito-idp", canaries.bug, "ReconcileFailed"),
)


def _blocked(before: Path | None, then: Path, service: str, error: Callable[..., Exception]) -> Path:
    def way(sinks: Sinks) -> None:
        if before:
            before(sinks)
        fail(sinks.pipeline, service, error)
        then(sinks)

    return way


for _before, _then, _service, _error, _says in BLOCKED:
    PATHS[f"{_then.__name__}, {_service}, {_error.__name__}"] = _says, _blocked(_before, _then, _service, _error)
