"""The functions: does `live` run the deployed version, do the timeouts fit, does the worker receive its messages."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from onramp.ops.common.deployment import LIVE, Deployment
from onramp.ops.common.shell import command
from onramp.ops.doctor.findings import Finding, ok, trouble, warning

FUNCTIONS = {
    "trigger": "PostConfirmationFunctionName",
    "worker": "EnrichProfileFunctionName",
    "reconciler": "ReconcileFunctionName",
}
RESERVED = {"trigger": "PostConfirmationReservedConcurrency", "worker": "EnrichReservedConcurrency"}
NO_MESSAGES = "the worker receives no messages from the queue."
NOT_PACED = "each worker takes its share of the providers' limits: with another number of them the shares are wrong."
COGNITO_TIMEOUT = 5  # seconds
TIMEOUTS_PER_VISIBILITY = 6  # AWS's advice: the visibility timeout is at least six times the function's timeout
COMPARED = ("CodeSha256", "Handler", "Runtime", "Timeout", "MemorySize", "Role", "Architectures", "Layers")
NEEDS_CODE = {"CodeSha256", "Architectures", "Layers"}
RESET = {"Handler": "handler", "Runtime": "runtime", "Timeout": "timeout", "MemorySize": "memory-size", "Role": "role"}
"""Setting -> option of `aws lambda update-function-configuration`."""
LATEST_BY_HAND = "it was changed by hand and does not run yet; the next published version would run it."
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
        if different:
            own = not stale and not NEEDS_CODE & {*different}
            cure = _reset_command(stack.outputs[output], live) if own else _redeploy_command(stack)
            what = f"the {role}'s alias `live` (version {version}) differs from $LATEST: {', '.join(different)}."
            yield trouble(what, LATEST_BY_HAND if own else "the last deployed change does not run.", cure)
        if stale:
            why = "they were changed by hand, or deployed without `make deploy`."
            yield trouble(f"the {role} runs without the stack's {', '.join(stale)}.", why, _redeploy_command(stack))
        if not different and not stale:
            yield ok(f"the {role} runs the stack's code and settings (version {version}).")


def _reset_command(function: str, live: Mapping[str, Any]) -> str:
    """Gives $LATEST the settings of `live`, which are the stack's."""
    environment = json.dumps({"Variables": _environment(live)})
    update = "aws lambda update-function-configuration --function-name {} --environment {}"
    options = [f" --{option} {{}}" for option in RESET.values()]
    return command(update + "".join(options), function, environment, *(live[name] for name in RESET))


def _redeploy_command(stack: Deployment) -> str:
    """A deployment without a change changes nothing: each of these two publishes a new version of every function."""
    if stack.is_local:
        return stack.deploy_command()
    level = stack.parameters.get("LogLevel", "INFO")
    other = "INFO" if level == "WARNING" else "WARNING"
    return " && ".join(stack.deploy_command(LogLevel=each) for each in (other, level))


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
            yield trouble(f"the {role} is switched off (reserved concurrency 0).", "Lambda throttles every call.", cure)
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
        yield warning(f"the trigger's timeout is {trigger} s.", why, _redeploy_command(stack))
    else:
        yield ok(f"the trigger's timeout is {trigger} s; Cognito waits {COGNITO_TIMEOUT} s.")
    worker = stack.function(FUNCTIONS["worker"])["Timeout"]
    visibility = int(stack.queue("ProvisioningQueueUrl")["VisibilityTimeout"])
    both = f"the visibility timeout of ProvisioningQueue is {visibility} s, the worker's timeout {worker} s"
    if visibility < TIMEOUTS_PER_VISIBILITY * worker and stack.is_local:
        yield ok(f"{both}: short, so that a message of a crashed worker returns soon on this machine.")
    elif visibility < TIMEOUTS_PER_VISIBILITY * worker:
        why = "SQS delivers a slow batch again while the worker still processes it."
        what = f"{both}: less than {TIMEOUTS_PER_VISIBILITY} times as long."
        yield warning(what, why, _visibility_command(stack, TIMEOUTS_PER_VISIBILITY * worker))
    else:
        yield ok(f"{both}.")


def _visibility_command(stack: Deployment, needed: int) -> str:
    """A deployment changes nothing where the stack has a sufficient value and the queue was changed by hand."""
    deployed = stack.parameters.get("VisibilityTimeoutSeconds", "0")
    if int(deployed) < needed:
        return stack.deploy_command(VisibilityTimeoutSeconds=str(needed))
    url, attributes = stack.outputs["ProvisioningQueueUrl"], json.dumps({"VisibilityTimeout": deployed})
    return command("aws sqs set-queue-attributes --queue-url {} --attributes {}", url, attributes)


def event_source(stack: Deployment) -> Iterator[Finding]:
    """The event source mapping between queue and worker."""
    client, queue = stack.client("lambda"), stack.queue("ProvisioningQueueUrl")["QueueArn"]
    name = f"{stack.outputs[FUNCTIONS['worker']]}:{LIVE}"
    mappings = client.list_event_source_mappings(FunctionName=name, EventSourceArn=queue)["EventSourceMappings"]
    limit = stack.parameters["EnrichMaximumConcurrency"]
    if not mappings:
        cure = command(
            "aws lambda create-event-source-mapping --function-name {} --event-source-arn {}"
            " --batch-size 10 --function-response-types ReportBatchItemFailures --scaling-config {}",
            name,
            queue,
            f"MaximumConcurrency={limit}",
        )
        yield trouble("the worker's alias `live` has no event source mapping.", NO_MESSAGES, cure)
    for mapping in mappings:
        concurrent = mapping.get("ScalingConfig", {}).get("MaximumConcurrency")
        update = command("aws lambda update-event-source-mapping --uuid {}", mapping["UUID"])
        if mapping["State"] not in ("Enabled", "Enabling", "Updating", "Creating"):
            what = f"the worker's event source mapping is {mapping['State'].lower()}."
            yield trouble(what, NO_MESSAGES, f"{update} --enabled")
        elif "ReportBatchItemFailures" not in mapping.get("FunctionResponseTypes", []):
            what = "the worker's event source mapping ignores its batch item failures."
            why = "a message that has to be retried is deleted; its user waits until the reconciler queues it again."
            yield trouble(what, why, f"{update} --function-response-types ReportBatchItemFailures")
        elif str(concurrent) != limit:
            what = f"the worker's maximum concurrency is {concurrent or 'not set'}, and not the stack's {limit}."
            cure = update + command(" --scaling-config {}", f"MaximumConcurrency={limit}")
            yield warning(what, NOT_PACED, cure)
        else:
            yield ok("the worker receives its messages from ProvisioningQueue.")
