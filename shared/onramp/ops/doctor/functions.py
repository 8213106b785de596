"""The functions: does `live` run what was deployed, are the times sane, does the worker get its messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from onramp.ops.common.deployment import LIVE, Deployment
from onramp.ops.doctor.findings import Finding, ok, trouble, warning

FUNCTIONS = {
    "trigger": "PostConfirmationFunctionName",
    "worker": "EnrichProfileFunctionName",
    "reconciler": "ReconcileFunctionName",
}
UNFED = "nobody takes the messages out of the queue."
COGNITO_WAITS = 5
TIMES_THE_TIMEOUT = 6
COMPARED = ("CodeSha256", "Handler", "Runtime", "Timeout", "MemorySize", "Role", "Architectures", "Layers")
PARAMETERS = {
    "TrustedIdentityProviders": "TRUSTED_IDENTITY_PROVIDERS",
    "AllowUnverifiedSignups": "ALLOW_UNVERIFIED_SIGNUPS",
    "EmitDueAfterSeconds": "EMIT_DUE_AFTER_SECONDS",
    "EnrichDueAfterSeconds": "ENRICH_DUE_AFTER_SECONDS",
    "MaxReceiveCount": "MAX_RECEIVE_COUNT",
    "RetryBackoffBaseSeconds": "RETRY_BACKOFF_BASE_SECONDS",
    "EnrichMaximumConcurrency": "MAXIMUM_CONCURRENCY",
    "StripeSecretName": "STRIPE_SECRET_NAME",
    "StripeBaseUrl": "STRIPE_BASE_URL",
    "StripeRequestsPerSecond": "STRIPE_REQUESTS_PER_SECOND",
    "RevenueCatSecretName": "REVENUECAT_SECRET_NAME",
    "RevenueCatProjectId": "REVENUECAT_PROJECT_ID",
    "RevenueCatBaseUrl": "REVENUECAT_BASE_URL",
    "RevenueCatRequestsPerMinute": "REVENUECAT_REQUESTS_PER_MINUTE",
    "ReconcileMost": "RECONCILE_MOST",
    "SweepPages": "SWEEP_PAGES",
    "SweepGraceSeconds": "SWEEP_GRACE_SECONDS",
    "Revision": "CODE_VERSION",
}
"""Where the stack's parameters stand in the functions' environment."""


def live(stack: Deployment) -> Iterator[Finding]:
    """SAM publishes no new version where only a parameter changed, and nobody sees it."""
    for who, output in FUNCTIONS.items():
        latest, running = stack.function(output, "$LATEST"), stack.function(output)
        different = [name for name in COMPARED if latest.get(name) != running.get(name)]
        different += _settings(_environment(latest), _environment(running))
        stale = [name for name in _undeployed(stack, _environment(running)) if name not in different]
        version = running.get("Version", "?")
        cure = f"{stack.deploy_with()}  (where that changes nothing: aws cloudformation detect-stack-drift)"
        if different:
            said = ", ".join(different)
            why = "what was changed last is not what runs."
            yield trouble(f"the {who}'s alias `live` (version {version}) differs from the stack: {said}.", why, cure)
        if stale:
            why = "somebody changed them on the function, and the next deployment changes them back."
            yield trouble(f"the {who} runs without the stack's {', '.join(stale)}.", why, cure)
        if not different and not stale:
            yield ok(f"the {who} runs the stack's code and settings (version {version}).")


def _environment(configuration: dict[str, Any]) -> dict[str, str]:
    return dict(configuration.get("Environment", {}).get("Variables", {}))


def _settings(wanted: dict[str, str], running: dict[str, str]) -> list[str]:
    return sorted(name for name in {*wanted, *running} if wanted.get(name) != running.get(name))


def _undeployed(stack: Deployment, running: dict[str, str]) -> list[str]:
    """Settings that are not what the stack's parameters say; an empty Revision is no claim."""
    return [
        setting
        for parameter, setting in PARAMETERS.items()
        if setting in running
        and parameter in stack.parameters
        and (stack.parameters[parameter] or setting != "CODE_VERSION")
        and running[setting] != stack.parameters[parameter]
    ]


def running(stack: Deployment) -> Iterator[Finding]:
    """A function that may not run, or of which only a part of the calls goes to the live version."""
    for who, output in FUNCTIONS.items():
        client, name = stack.client("lambda"), stack.outputs[output]
        if client.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions") == 0:
            cure = f"aws lambda delete-function-concurrency --function-name {name}"
            yield trouble(f"the {who} is switched off (reserved concurrency 0).", "none of its calls runs.", cure)
        routing = client.get_alias(FunctionName=name, Name=LIVE).get("RoutingConfig") or {}
        weights = routing.get("AdditionalVersionWeights")
        if weights:
            why = "two versions answer; a deployment that stands still here was not finished."
            cure = f"aws lambda update-alias --function-name {name} --name live --routing-config {{}}"
            yield warning(f"a part of the {who}'s calls goes to version {', '.join(weights)}.", why, cure)


def times(stack: Deployment) -> Iterator[Finding]:
    limit = int(stack.function(FUNCTIONS["trigger"])["Timeout"])
    if limit > COGNITO_WAITS:
        why = "Cognito waits 5 s and calls again: two calls for one signup, and the user sees an error."
        yield warning(f"the trigger may take {limit} s.", why, stack.deploy_with())
    else:
        yield ok(f"the trigger answers or fails within {limit} s, as Cognito waits.")
    worker = int(stack.function(FUNCTIONS["worker"])["Timeout"])
    hidden = int(stack.queue("ProvisioningQueueUrl")["VisibilityTimeout"])
    if hidden < TIMES_THE_TIMEOUT * worker:
        yield warning(
            f"a message is hidden for {hidden} s, less than {TIMES_THE_TIMEOUT} times the worker's {worker} s.",
            "a slow batch is delivered twice while it is still worked on.",
            stack.deploy_with(VisibilityTimeoutSeconds=str(TIMES_THE_TIMEOUT * worker)),
        )
    else:
        yield ok(f"a message is hidden for {hidden} s, the worker has {worker} s.")


def fed(stack: Deployment) -> Iterator[Finding]:
    """The event source mapping between queue and worker."""
    client, queue = stack.client("lambda"), stack.queue("ProvisioningQueueUrl")["QueueArn"]
    name = f"{stack.outputs[FUNCTIONS['worker']]}:{LIVE}"
    mappings = client.list_event_source_mappings(FunctionName=name, EventSourceArn=queue)["EventSourceMappings"]
    if not mappings:
        cure = (
            f"aws lambda create-event-source-mapping --function-name {name} --event-source-arn {queue}"
            " --batch-size 10 --function-response-types ReportBatchItemFailures"
        )
        yield trouble("the worker's alias `live` is not fed by ProvisioningQueue.", UNFED, cure)
    for mapping in mappings:
        update = f"aws lambda update-event-source-mapping --uuid {mapping['UUID']}"
        if mapping["State"] not in ("Enabled", "Enabling", "Updating", "Creating"):
            what = f"the worker's event source mapping is {mapping['State'].lower()}."
            yield trouble(what, UNFED, f"{update} --enabled")
        elif "ReportBatchItemFailures" not in mapping.get("FunctionResponseTypes", []):
            cure = f"{update} --function-response-types ReportBatchItemFailures"
            why = "a message that is to be retried is taken for done, and lost until the reconciler finds it."
            yield trouble("the worker's partial failures are not read.", why, cure)
        else:
            yield ok("the worker takes its messages from ProvisioningQueue.")
