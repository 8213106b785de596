"""The functions: does `live` run the deployed version, do the timeouts fit, do the messages of the queues arrive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from onramp.ops.common.deployment import LIVE, Deployment
from onramp.ops.common.shell import command
from onramp.ops.doctor.findings import Cause, Finding, ok, trouble, warning
from onramp.ops.doctor.rules import NOT_HEALED

FUNCTIONS = {
    "trigger": "PostConfirmationFunctionName",
    "worker": "EnrichProfileFunctionName",
    "healer": "HealSignupFunctionName",
    "reconciler": "ReconcileFunctionName",
}
RESERVED = {"trigger": "PostConfirmationReservedConcurrency", "worker": "EnrichReservedConcurrency"}


@dataclass(frozen=True, slots=True)
class Consumer:
    """A function that receives the messages of `queue`. `unread`, `unretried`, `unpaced`: why a fault matters.

    `concurrency`: the parameter with the mapping's MaximumConcurrency, or the number where the template has it.
    `cause`: of unread messages, where an alarm watches their age.
    """

    role: str
    queue: str
    concurrency: str
    unread: str
    unretried: str
    unpaced: str
    cause: Cause | None = None


# As template.yaml has them: a cure leaves the stack as it was deployed (tests/ops/test_doctor.py).
CONSUMERS = (
    Consumer(
        role="worker",
        queue="ProvisioningQueue",
        concurrency="EnrichMaximumConcurrency",
        unread="the worker receives no messages from the queue.",
        unretried="a message that has to be retried is deleted; its user waits until the reconciler queues it again.",
        unpaced="each worker takes its share of the providers' limits: with another number the shares are wrong.",
        cause=Cause.UNREAD,
    ),
    Consumer(
        role="healer",
        queue="SignupHealQueue",
        concurrency="2",
        unread=NOT_HEALED,
        unretried="a message that has to be retried is deleted; its user waits for the sweep.",
        unpaced="the healers share Cognito's quota of ListUsers with the sweep and the operators.",
    ),
)
THROTTLED = {"trigger": Cause.TRIGGER_THROTTLED, "worker": Cause.WORKER_THROTTLED}
COGNITO_TIMEOUT = 5  # seconds
TIMEOUTS_PER_VISIBILITY = 6  # AWS's advice: the visibility timeout is at least six times the function's timeout
COMPARED = ("CodeSha256", "Handler", "Runtime", "Timeout", "MemorySize", "Role", "Architectures", "Layers")
PARAMETERS = {
    "TrustedIdentityProviders": "TRUSTED_IDENTITY_PROVIDERS",
    "AllowUnverifiedSignups": "ALLOW_UNVERIFIED_SIGNUPS",
    "DefaultRole": "DEFAULT_ROLE",
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
    "SweepMaxRequestsPerSecond": "SWEEP_MAX_REQUESTS_PER_SECOND",
    "SweepGraceSeconds": "SWEEP_GRACE_SECONDS",
    "Revision": "CODE_VERSION",
}
"""Stack parameter -> the environment variable of the functions that has its value."""


def live_version(stack: Deployment) -> Iterator[Finding]:
    """SAM publishes no new version where only a parameter changed, and reports nothing."""
    for role, output in FUNCTIONS.items():
        latest, live = stack.function(output, "$LATEST"), stack.function(output)
        different = [name for name in COMPARED if latest.get(name) != live.get(name)]
        different += _different(_environment(latest), _environment(live))
        stale = [name for name in _changed_by_hand(stack, _environment(live)) if name not in different]
        version = live.get("Version", "?")
        drift = command("aws cloudformation detect-stack-drift --stack-name {}", stack.name)
        cure = f"{stack.deploy_command()}  (where that changes nothing: {drift})"
        if different:
            what = f"the {role}'s alias `live` (version {version}) differs from the stack: {', '.join(different)}."
            yield trouble(what, "the last deployed change does not run.", cure)
        if stale:
            why = "they were changed on the function by hand, and the next deployment resets them."
            yield trouble(f"the {role} runs without the stack's {', '.join(stale)}.", why, cure)
        if not different and not stale:
            yield ok(f"the {role} runs the stack's code and settings (version {version}).")


def _environment(configuration: Mapping[str, Any]) -> dict[str, str]:
    return dict(configuration.get("Environment", {}).get("Variables", {}))


def _different(latest: Mapping[str, str], live: Mapping[str, str]) -> list[str]:
    return sorted(name for name in {*latest, *live} if latest.get(name) != live.get(name))


def _changed_by_hand(stack: Deployment, live: Mapping[str, str]) -> list[str]:
    """Settings that differ from the stack's parameters. An empty Revision sets no CODE_VERSION: it is not compared."""
    return [
        setting
        for parameter, setting in PARAMETERS.items()
        if setting in live
        and parameter in stack.parameters
        and (stack.parameters[parameter] or setting != "CODE_VERSION")
        and live[setting] != stack.parameters[parameter]
    ]


def concurrency(stack: Deployment) -> Iterator[Finding]:
    """A function that may not run, or whose live version gets only a part of the invocations."""
    for role, output in FUNCTIONS.items():
        client, name = stack.client("lambda"), stack.outputs[output]
        if client.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions") == 0:
            cure = _concurrency_command(stack, role, name)
            what = f"the {role} is switched off (reserved concurrency 0)."
            yield trouble(what, "Lambda throttles every call.", cure, THROTTLED.get(role))
        routing = client.get_alias(FunctionName=name, Name=LIVE).get("RoutingConfig") or {}
        weights = routing.get("AdditionalVersionWeights")
        if weights:
            why = "two versions run side by side: a gradual deployment was not finished."
            update = "aws lambda update-alias --function-name {} --name {} --routing-config {}"
            cure = command(update, name, LIVE, "AdditionalVersionWeights={}")
            yield warning(f"a part of the {role}'s calls goes to version {', '.join(weights)}.", why, cure)


def _concurrency_command(stack: Deployment, role: str, function: str) -> str:
    """Reserves what the stack's parameter says; 0 and a function without such a parameter reserve nothing."""
    reserved = stack.parameters.get(RESERVED.get(role, ""), "0")
    if reserved == "0":
        return command("aws lambda delete-function-concurrency --function-name {}", function)
    put = "aws lambda put-function-concurrency --function-name {} --reserved-concurrent-executions {}"
    return command(put, function, reserved)


def timeouts(stack: Deployment) -> Iterator[Finding]:
    trigger = stack.function(FUNCTIONS["trigger"])["Timeout"]
    if trigger > COGNITO_TIMEOUT:
        why = "Cognito waits 5 s and calls again: two calls for one signup, and the user gets an error."
        yield warning(f"the trigger's timeout is {trigger} s.", why, stack.deploy_command())
    else:
        yield ok(f"the trigger's timeout is {trigger} s; Cognito waits {COGNITO_TIMEOUT} s.")
    for consumer in CONSUMERS:
        yield _visibility_timeout(stack, consumer)


def _visibility_timeout(stack: Deployment, consumer: Consumer) -> Finding:
    timeout = stack.function(FUNCTIONS[consumer.role])["Timeout"]
    visibility = int(stack.queue(f"{consumer.queue}Url")["VisibilityTimeout"])
    both = f"the visibility timeout of {consumer.queue} is {visibility} s, the {consumer.role}'s timeout {timeout} s"
    if visibility >= TIMEOUTS_PER_VISIBILITY * timeout:
        return ok(f"{both}.")
    if stack.is_local:
        return ok(f"{both}: short, so that a message of a crashed {consumer.role} returns soon on this machine.")
    return warning(
        f"{both}: less than {TIMEOUTS_PER_VISIBILITY} times as long.",
        f"SQS delivers a slow batch again while the {consumer.role} still processes it.",
        stack.deploy_command(VisibilityTimeoutSeconds=str(TIMEOUTS_PER_VISIBILITY * timeout)),
    )


def event_sources(stack: Deployment) -> Iterator[Finding]:
    """The event source mapping between each queue and its function."""
    for consumer in CONSUMERS:
        yield from _event_source(stack, consumer)


def _event_source(stack: Deployment, consumer: Consumer) -> Iterator[Finding]:
    client, queue = stack.client("lambda"), stack.queue(f"{consumer.queue}Url")["QueueArn"]
    role, name = consumer.role, f"{stack.outputs[FUNCTIONS[consumer.role]]}:{LIVE}"
    mappings = client.list_event_source_mappings(FunctionName=name, EventSourceArn=queue)["EventSourceMappings"]
    limit = stack.parameters.get(consumer.concurrency, consumer.concurrency)
    if not mappings:
        cure = command(
            "aws lambda create-event-source-mapping --function-name {} --event-source-arn {}"
            " --batch-size 10 --function-response-types ReportBatchItemFailures --scaling-config {}",
            name,
            queue,
            f"MaximumConcurrency={limit}",
        )
        yield trouble(f"the {role}'s alias `live` has no event source mapping.", consumer.unread, cure, consumer.cause)
    for mapping in mappings:
        concurrent = mapping.get("ScalingConfig", {}).get("MaximumConcurrency")
        update = command("aws lambda update-event-source-mapping --uuid {}", mapping["UUID"])
        if mapping["State"] not in ("Enabled", "Enabling", "Updating", "Creating"):
            what = f"the {role}'s event source mapping is {mapping['State'].lower()}."
            yield trouble(what, consumer.unread, f"{update} --enabled", consumer.cause)
        elif "ReportBatchItemFailures" not in mapping.get("FunctionResponseTypes", []):
            what = f"the {role}'s event source mapping ignores its batch item failures."
            yield trouble(what, consumer.unretried, f"{update} --function-response-types ReportBatchItemFailures")
        elif str(concurrent) != limit:
            what = f"the {role}'s maximum concurrency is {concurrent or 'not set'}, and not the stack's {limit}."
            cure = update + command(" --scaling-config {}", f"MaximumConcurrency={limit}")
            yield warning(what, consumer.unpaced, cure)
        else:
            yield ok(f"the {role} receives its messages from {consumer.queue}.")
