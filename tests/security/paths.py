"""Every path through the functions, with a canary in every field of the input. Each is identified by its log text.

On the paths where an AWS client or a provider fails, the error quotes the request.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from onramp.local.fakes.faults import Fault
from tests.pipeline import HEAL_QUEUE, OTHER_SUB, QUEUE, SUB, InMemoryPipeline
from tests.security import canaries
from tests.security.canaries import EMAIL, QuotingClient, QuotingProvider
from tests.security.sinks import Sinks

Path = Callable[[Sinks], None]
PATHS: dict[str, tuple[str, Path]] = {}
"""Name -> (the log text that proves the path was taken, the path)."""
SIGN_IN = {"triggerSource": "PostAuthentication_Authentication"}


def path(logged: str) -> Callable[[Path], Path]:
    def add(function: Path) -> Path:
        PATHS[function.__name__] = logged, function
        return function

    return add


def fail(pipeline: InMemoryPipeline, service: str, error: Callable[..., Exception], *only: str) -> None:
    pipeline.aws[service] = QuotingClient(pipeline.aws[service], error, only)
    pipeline.cold_start()


def sign_up(sinks: Sinks, **changes: Any) -> None:
    sinks.try_to(sinks.pipeline.invoke_trigger, canaries.event(SUB, **changes))


def sign_in(sinks: Sinks) -> None:
    sinks.try_to(sinks.pipeline.invoke_trigger, canaries.event(SUB) | SIGN_IN)


def in_pool(pipeline: InMemoryPipeline, email: str = EMAIL) -> None:
    attributes = canaries.event(SUB)["request"]["userAttributes"]
    pipeline.cognito.add_user(SUB, {name: str(value) for name, value in attributes.items()} | {"email": email})
    pipeline.clock.advance(3600)


# -- the trigger ---------------------------------------------------------------------------------------


@path("created")
def a_signup(sinks: Sinks) -> None:
    sign_up(sinks)


@path("linked")
def a_pre_created_user(sinks: Sinks) -> None:
    sinks.pipeline.pre_create(EMAIL, "canary-role", costCentre={"S": "canary-cost"}, name={"S": "canary-name"})
    sign_up(sinks, identities="[]")  # a linked provider that is not trusted may not link


@path("retried")
def a_repeated_call(sinks: Sinks) -> None:
    for _ in range(2):
        sign_up(sinks)


def _add_rejection(cause: str, event: Any) -> None:
    def take(sinks: Sinks) -> None:
        sinks.pipeline.sign_up(EMAIL, OTHER_SUB)
        sinks.try_to(sinks.pipeline.invoke_trigger, event)

    PATHS[f"rejected {len(PATHS)} {cause}"] = f'"cause":"{cause}"', take


_add_rejection("malformed_event", ["canary"])
_add_rejection("malformed_event", canaries.event(SUB) | {"triggerSource": ["canary"]})
_add_rejection("malformed_event", canaries.event(SUB) | {"request": "canary"})
_add_rejection("unknown_user_pool", canaries.event(SUB) | {"userPoolId": "canary-pool"})
_add_rejection("unusable_sub", canaries.event("canary-sub"))
_add_rejection("unusable_email", canaries.event(SUB, email="canary at canary.example"))
_add_rejection("nobody_vouches", canaries.event(SUB, email_verified="canary"))
_add_rejection("linked_to_another_sub", canaries.event(SUB))


@path('"cause":"link_needs_verified_email"')
def rejected_link(sinks: Sinks) -> None:
    sinks.pipeline.pre_create(EMAIL, "canary-role")
    google = json.dumps([{"providerName": "Google", "providerType": "Google", "primary": "canary"}])
    event = canaries.event(SUB, email_verified="canary", identities=google)
    sinks.try_to(sinks.pipeline.invoke_trigger, event)


@path("sign-in of a user without a record")
def healed_at_sign_in(sinks: Sinks) -> None:
    sign_in(sinks)


# -- the worker ----------------------------------------------------------------------------------------


def run_worker(sinks: Sinks) -> None:
    sinks.try_to(sinks.pipeline.run_worker)


@path("provisioned")
def an_enrichment(sinks: Sinks) -> None:
    sign_up(sinks)
    run_worker(sinks)


@path("provisioned")
def an_enrichment_of_a_message_full_of_canaries(sinks: Sinks) -> None:
    sign_up(sinks)
    (queued,) = sinks.pipeline.sqs.messages(QUEUE)
    queued.body = canaries.message(json.loads(queued.body))
    run_worker(sinks)


def _add_retry(kind: Any, logged: str) -> None:
    def take(sinks: Sinks) -> None:
        sinks.pipeline.stripe.faults.add(Fault(kind, times=None))
        sinks.pipeline.revenuecat.faults.add(Fault(kind, times=None))
        sign_up(sinks)
        run_worker(sinks)

    PATHS[f"retried {kind}"] = logged, take


for _kind, _logged in {
    "server_error": "stripe_500",
    "timeout": "stripe_unreachable",
    "rate_limited": "stripe_429",
    "unauthorized": "ProviderKeyRejected",
}.items():
    _add_retry(_kind, _logged)


@path("retries_exhausted")
def retries_run_out(sinks: Sinks) -> None:
    sinks.pipeline.configure(MAX_RECEIVE_COUNT="1")
    sinks.pipeline.stripe.faults.add(Fault("server_error", times=None))
    sign_up(sinks)
    run_worker(sinks)


@path("ProviderKeyRejected")
def a_key_rotated_too_early(sinks: Sinks) -> None:
    sinks.pipeline.stripe.accepted_key = "sk_live_another_canary"
    sign_up(sinks)
    run_worker(sinks)


@path("PermanentFailure")
def a_permanent_failure(sinks: Sinks) -> None:
    _providers(sinks.pipeline, 400)
    sign_up(sinks)
    run_worker(sinks)


@path("Retried")
def a_failing_provider(sinks: Sinks) -> None:
    _providers(sinks.pipeline, 503)
    sign_up(sinks)
    run_worker(sinks)


def _providers(pipeline: InMemoryPipeline, status: int) -> None:
    quoting: Any = QuotingProvider(status)
    pipeline.stripe = pipeline.revenuecat = quoting
    pipeline.cold_start()


def poison(pipeline: InMemoryPipeline) -> Iterator[str]:
    """Bodies that end as dead letters, each for another reason."""
    valid = json.loads(canaries.message(pipeline.published("UserSignedUp")[0]))
    yield "canary is not JSON"
    yield json.dumps({"canary": "canary"})
    yield json.dumps([f"canary-{number}" for number in range(3)])
    for changes in (
        {"metadata": {"schemaVersion": "canary.0"}},
        {"metadata": {"schemaVersion": "2.canary"}},
        {"metadata": {"eventId": "canary"}},
        {"metadata": {"occurredAt": "canary"}},
        {"data": {"userId": "canary.unknown@canary.example"}},
        {"data": {"cognitoSub": OTHER_SUB}},
        {"data": {"cognitoSub": "canary"}},
        {"data": {"roles": {"canary": ["canary"]}}},
        {"data": {"onboarding": "canary"}},
    ):
        body = json.loads(json.dumps(valid))
        for part, values in changes.items():
            body["detail"][part] |= values
        yield json.dumps(body)


@path("PermanentFailure")
def poison_messages(sinks: Sinks) -> None:
    sign_up(sinks)
    for body in poison(sinks.pipeline):
        sinks.pipeline.sqs.put(QUEUE, body)
    run_worker(sinks)
    assert len(sinks.pipeline.dead_letters()) == len(list(poison(sinks.pipeline)))


@path("will retry")
def a_dead_letter_queue_that_fails(sinks: Sinks) -> None:
    sign_up(sinks)
    sinks.pipeline.sqs.put(QUEUE, "canary")
    fail(sinks.pipeline, "sqs", canaries.refusal, "send_message")
    run_worker(sinks)


@path("WorkerBug")
def an_invalid_record_of_the_batch(sinks: Sinks) -> None:
    record = {"messageId": "canary", "body": "canary", "receiptHandle": "canary", "attributes": {}}
    record["attributes"] = {"ApproximateReceiveCount": "canary", "ApproximateFirstReceiveTimestamp": "canary"}
    sinks.try_to(sinks.pipeline.invoke_worker, {"Records": [record]})


# -- the reconciler ------------------------------------------------------------------------------------


def owe_and_lose(sinks: Sinks) -> None:
    sign_up(sinks)
    in_pool(sinks.pipeline)


def run_reconciler(sinks: Sinks) -> None:
    sinks.pipeline.clock.advance(24 * 3600)
    sinks.try_to(sinks.pipeline.reconcile)


@path("EmittedAgain")
def what_is_owed(sinks: Sinks) -> None:
    sign_up(sinks)
    run_reconciler(sinks)
    run_reconciler(sinks)


@path("events refused")
def an_owed_event_that_is_refused(sinks: Sinks) -> None:
    sign_up(sinks)
    fail(sinks.pipeline, "events", canaries.too_large)
    run_reconciler(sinks)


@path("handed over")
def a_signup_without_a_record(sinks: Sinks) -> None:
    real = sinks.pipeline.aws["dynamodb"]
    fail(sinks.pipeline, "dynamodb", canaries.refusal)
    in_pool(sinks.pipeline)
    sign_up(sinks)
    for body in ("canary", *(message.body for message in sinks.pipeline.sqs.messages(HEAL_QUEUE))):
        sinks.pipeline.sqs.put(HEAL_QUEUE, body)
    sinks.try_to(sinks.pipeline.run_heal)
    sinks.pipeline.aws["dynamodb"] = real
    sinks.pipeline.cold_start()
    sinks.pipeline.clock.advance(3600)
    sinks.try_to(sinks.pipeline.run_heal)
    assert sinks.pipeline.user(EMAIL)


@path('"healed"')
def a_sweep_that_heals(sinks: Sinks) -> None:
    in_pool(sinks.pipeline)
    run_reconciler(sinks)


@path("refused_unusable_email")
def a_sweep_that_refuses(sinks: Sinks) -> None:
    in_pool(sinks.pipeline, "canary at canary.example")
    run_reconciler(sinks)


@path("ReconcileFailed")
def a_reconciler_without_permissions(sinks: Sinks) -> None:
    owe_and_lose(sinks)
    for service in ("dynamodb", "events", "sqs", "cognito-idp"):
        fail(sinks.pipeline, service, canaries.refusal)
    run_reconciler(sinks)


# -- each function with one client whose errors quote the request -----------------------------------


# The preparation, the call, the failing client, its error, and the logged text.
FAILURES: tuple[tuple[Path | None, Path, str, Callable[..., Exception], str], ...] = (
    (None, sign_up, "dynamodb", canaries.refusal, "users_update_AccessDeniedException"),
    (None, sign_up, "dynamodb", canaries.bug, "ValueError at canaries.py"),
    (None, sign_up, "events", canaries.throttling, "put_events_ThrottlingException"),
    (None, sign_in, "dynamodb", canaries.refusal, "HealFailed"),
    (None, sign_in, "dynamodb", canaries.bug, "HealFailed"),
    (sign_up, run_worker, "dynamodb", canaries.refusal, "will retry"),
    (sign_up, run_worker, "dynamodb", canaries.bug, "WorkerBug"),
    (sign_up, run_worker, "events", canaries.throttling, "will retry"),
    (sign_up, run_worker, "ssm", canaries.refusal, "SecretUnreadable"),
    (owe_and_lose, run_reconciler, "dynamodb", canaries.refusal, "ReconcileFailed"),
    (owe_and_lose, run_reconciler, "dynamodb", canaries.bug, "ReconcileFailed"),
    (owe_and_lose, run_reconciler, "events", canaries.throttling, "ReconcileFailed"),
    (owe_and_lose, run_reconciler, "cognito-idp", canaries.bug, "ReconcileFailed"),
)


def _with_failure(before: Path | None, then: Path, service: str, error: Callable[..., Exception]) -> Path:
    def take(sinks: Sinks) -> None:
        if before:
            before(sinks)
        fail(sinks.pipeline, service, error)
        then(sinks)

    return take


for _before, _then, _service, _error, _logged in FAILURES:
    PATHS[f"{_then.__name__}, {_service}, {_error.__name__}"] = _logged, _with_failure(_before, _then, _service, _error)
