"""The functions: does `live` run the deployed version, may it run, does the trigger answer in time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from onramp.ops.common.deployment import LIVE, Deployment
from onramp.ops.common.shell import command
from onramp.ops.doctor.findings import Cause, Finding, ok, trouble, warning

FUNCTIONS = {
    "trigger": "PostConfirmationFunctionName",
    "worker": "EnrichProfileFunctionName",
    "healer": "HealSignupFunctionName",
    "reconciler": "ReconcileFunctionName",
}
RESERVED = {"trigger": "PostConfirmationReservedConcurrency", "worker": "EnrichReservedConcurrency"}
THROTTLED = {"trigger": Cause.TRIGGER_THROTTLED, "worker": Cause.WORKER_THROTTLED}
COGNITO_TIMEOUT = 5  # seconds
COMPARED = ("CodeSha256", "Handler", "Runtime", "Timeout", "MemorySize", "Role", "Architectures", "Layers")
NEEDS_CODE = {"CodeSha256", "Architectures", "Layers"}
RESET = {"Handler": "handler", "Runtime": "runtime", "Timeout": "timeout", "MemorySize": "memory-size", "Role": "role"}
"""Setting -> option of `aws lambda update-function-configuration`."""
LATEST_BY_HAND = "it was changed by hand and does not run yet; the next published version would run it."
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


def timeout(stack: Deployment) -> Iterator[Finding]:
    trigger = stack.function(FUNCTIONS["trigger"])["Timeout"]
    if trigger > COGNITO_TIMEOUT:
        why = "Cognito waits 5 s and calls again: two calls for one signup, and the user gets an error."
        yield warning(f"the trigger's timeout is {trigger} s.", why, _redeploy_command(stack))
    else:
        yield ok(f"the trigger's timeout is {trigger} s; Cognito waits {COGNITO_TIMEOUT} s.")
