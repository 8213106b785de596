"""The user pool: does it call the trigger, may it, and whom would the trigger refuse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code
from onramp.domain.trust import BUILT_IN, TrustPolicy
from onramp.ops.common.deployment import Deployment
from onramp.ops.common.policies import Grant, granted
from onramp.ops.doctor.findings import Finding, ok, trouble, warning

UNPROVISIONED = "whoever signs up there gets no record until the sweep finds them."


def attached(stack: Deployment) -> Iterator[Finding]:
    """Cognito forgets a trigger when somebody else updates the pool without naming it."""
    for pool in stack.pools:
        try:
            described = stack.client("cognito-idp").describe_user_pool(UserPoolId=pool)["UserPool"]
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            yield trouble(
                f"there is no user pool {pool}.",
                "the trigger and the sweep are told of a pool that is gone.",
                stack.deploy_with(ExistingUserPoolId="POOL_ID"),
            )
            continue
        yield from _attached(stack, pool, described.get("LambdaConfig") or {})


def _attached(stack: Deployment, pool: str, triggers: dict[str, Any]) -> Iterator[Finding]:
    named, alias = triggers.get("PostConfirmation"), stack.trigger.arn
    if named == alias:
        yield ok(f"{pool} calls the trigger at every confirmation.")
    elif not named:
        yield trouble(f"{pool} calls no trigger.", UNPROVISIONED, f"onramp attach --user-pool {pool}")
    elif str(named).startswith(alias.rpartition(":")[0]):
        why = "a deployment does not reach it: only the alias moves with the versions."
        yield trouble(f"{pool} calls the function past its alias `live`.", why, f"onramp attach --user-pool {pool}")
    else:
        cure = f"onramp attach --user-pool {pool} --replace"
        yield trouble(f"{pool} calls another function: {named}.", UNPROVISIONED, cure)
    if stack.parameters.get("HealOnSignIn") == "true" and triggers.get("PostAuthentication") != alias:
        yield warning(
            f"{pool} does not call the trigger at sign-in.",
            "the stack was deployed with HealOnSignIn, and a user without a record waits for the sweep instead.",
            f"onramp attach --user-pool {pool} --heal-on-sign-in",
        )


def may_invoke(stack: Deployment) -> Iterator[Finding]:
    """The alias's own policy decides, not the function's."""
    policy = trigger_policy(stack.client("lambda"), stack.outputs["PostConfirmationFunctionName"])
    for pool in stack.pools:
        arn = stack.pool_arn(pool)
        match invocable(policy, arn, stack.trigger.account):
            case Grant.NARROW:
                yield ok(f"Cognito may invoke the trigger for {pool}.")
            case Grant.OPEN:
                yield warning(
                    "Cognito may invoke the trigger for any pool of anybody.",
                    "somebody else's pool could call it; the trigger refuses their users, but is kept busy.",
                    permit(stack.outputs["PostConfirmationFunctionName"], arn, stack.trigger.account),
                )
            case Grant.NONE:
                yield trouble(
                    f"Cognito may not invoke the trigger for {pool}.",
                    "every confirmation there fails before our code runs.",
                    permit(stack.outputs["PostConfirmationFunctionName"], arn, stack.trigger.account),
                )


def trigger_policy(client: Any, function: str) -> dict[str, Any]:
    """Empty where the alias has none."""
    try:
        policy: dict[str, Any] = json.loads(client.get_policy(FunctionName=function, Qualifier="live")["Policy"])
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        return {}
    return policy


def invocable(policy: dict[str, Any], pool_arn: str, account: str) -> Grant:
    service = "cognito-idp.amazonaws.com"
    return granted(policy, service=service, action="lambda:InvokeFunction", source=pool_arn, account=account)


def permit(function: str, pool_arn: str, account: str) -> str:
    """The command that lets Cognito in for a pool."""
    statement = f"onramp-{pool_arn.rpartition('/')[2]}"
    return (
        f"aws lambda add-permission --function-name {function} --qualifier live --statement-id {statement}"
        f" --action lambda:InvokeFunction --principal cognito-idp.amazonaws.com --source-arn {pool_arn}"
        f" --source-account {account}"
    )


def providers(stack: Deployment) -> Iterator[Finding]:
    """Only Google and Apple are trusted without being named."""
    settings = stack.settings("PostConfirmationFunctionName")
    trusted = settings.get("TRUSTED_IDENTITY_PROVIDERS", "")
    unverified = settings.get("ALLOW_UNVERIFIED_SIGNUPS") == "true"
    named = {name for name, _ in TrustPolicy.parse(trusted, allow_unverified=unverified).trusted}
    for pool in stack.pools:
        pages = stack.client("cognito-idp").get_paginator("list_identity_providers").paginate(UserPoolId=pool)
        found = {entry["ProviderName"]: entry["ProviderType"] for page in pages for entry in page["Providers"]}
        strangers = [name for name, kind in found.items() if name not in named and not _built_in(name, kind)]
        for name in strangers:
            entry = f"{name}@YOUR-DOMAIN"
            cure = stack.deploy_with(TrustedIdentityProviders=",".join(filter(None, (trusted, entry))))
            if unverified:
                why = "their users get a default-role record only, and never one that an admin prepared."
                yield warning(f"{pool} signs users in through {name}, which is not trusted.", why, cure)
            else:
                yield trouble(
                    f"the users of {name} in {pool} are refused.", "nobody vouches for their addresses.", cure
                )
        if not strangers:
            yield ok(f"every provider of {pool} is known: {', '.join(['Cognito', *sorted(found)])}.")


def _built_in(name: str, kind: str) -> bool:
    return name in BUILT_IN and name == kind
