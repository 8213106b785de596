"""The user pools: does each call the trigger, may it, and which identity providers does the trigger refuse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code
from onramp.domain.policies import Grant
from onramp.domain.trust import BUILT_IN, TrustPolicy
from onramp.ops.common.deployment import Deployment
from onramp.ops.common.shell import command
from onramp.ops.common.trigger_permission import TriggerPermission
from onramp.ops.doctor.findings import Cause, Finding, ok, trouble, warning

UNPROVISIONED = "users who sign up there get no record until the sweep finds them (TriggerDetachedAlarm, HealedAlarm)."


def trigger(stack: Deployment) -> Iterator[Finding]:
    """UpdateUserPool removes a trigger that the request leaves out."""
    for pool in stack.pools:
        try:
            description = stack.client("cognito-idp").describe_user_pool(UserPoolId=pool)["UserPool"]
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise
            yield trouble(
                f"there is no user pool {pool}.",
                "the trigger and the sweep are configured for it.",
                stack.deploy_command(ExistingUserPoolId="POOL_ID"),
            )
            continue
        yield from _trigger(stack, pool, description.get("LambdaConfig") or {})


def _trigger(stack: Deployment, pool: str, triggers: Mapping[str, Any]) -> Iterator[Finding]:
    named, alias = triggers.get("PostConfirmation"), stack.trigger.arn
    heals = stack.parameters.get("HealOnSignIn") == "true"
    attach = command("onramp attach --user-pool {}", pool) + " --heal-on-sign-in" * heals
    if named == alias:
        yield ok(f"{pool} calls the trigger at every confirmation.")
    elif not named:
        yield trouble(f"{pool} calls no trigger.", UNPROVISIONED, attach, Cause.POOL)
    elif str(named).startswith(alias.rpartition(":")[0]):
        why = "a deployment moves the alias only: this pool does not get the new version."
        yield trouble(f"{pool} calls the function without its alias `live`.", why, attach, Cause.POOL)
    else:
        yield trouble(f"{pool} calls another function: {named}.", UNPROVISIONED, f"{attach} --replace", Cause.POOL)
    if named == alias and heals and triggers.get("PostAuthentication") != alias:
        yield warning(
            f"{pool} does not call the trigger at sign-in.",
            "the stack was deployed with HealOnSignIn; without the call a user without a record waits for the sweep.",
            attach,
        )


def permission(stack: Deployment) -> Iterator[Finding]:
    """The policy of the alias decides, not that of the function."""
    cognito = TriggerPermission.of(stack)
    for pool in stack.pools:
        match cognito.grant(pool):
            case Grant.NARROW:
                yield ok(f"Cognito may invoke the trigger for {pool}.")
            case Grant.OPEN:
                yield warning(
                    "Cognito may invoke the trigger for every pool of every account.",
                    "another account's pool can call it: the trigger refuses those users, but spends concurrency.",
                    cognito.command(pool),
                )
            case Grant.NONE:
                yield trouble(
                    f"Cognito may not invoke the trigger for {pool}.",
                    "every confirmation there fails before the trigger runs (TriggerDetachedAlarm).",
                    cognito.command(pool),
                    Cause.POOL,
                )


def providers(stack: Deployment) -> Iterator[Finding]:
    """Only Google and Apple are accepted without an entry in TrustedIdentityProviders."""
    settings = stack.settings("PostConfirmationFunctionName")
    trusted = settings.get("TRUSTED_IDENTITY_PROVIDERS", "")
    unverified = settings.get("ALLOW_UNVERIFIED_SIGNUPS") == "true"
    entries = TrustPolicy.parse(trusted, allow_unverified=unverified).trusted
    for pool in stack.pools:
        pages = stack.client("cognito-idp").get_paginator("list_identity_providers").paginate(UserPoolId=pool)
        types = {entry["ProviderName"]: entry["ProviderType"] for page in pages for entry in page["Providers"]}
        named = {name for accepted, name, _ in entries if accepted in (pool, "*")}
        untrusted = [name for name, kind in types.items() if name not in named and not _built_in(name, kind)]
        for name in untrusted:
            wanted = ",".join(filter(None, (trusted, f"{name}@YOUR-DOMAIN")))
            cure = stack.deploy_command(TrustedIdentityProviders=wanted)
            if unverified:
                what = f"{pool} signs users in through {name}, which is not trusted."
                why = "its users get a record with the default role only, and never link a pre-created record."
                yield warning(what, why, cure)
            else:
                why = f"{name} is not trusted to vouch for their addresses."
                yield trouble(f"the users of {name} in {pool} are refused.", why, cure, Cause.REJECTIONS)
        if not untrusted:
            yield ok(f"every identity provider of {pool} is accepted: {', '.join(['Cognito', *sorted(types)])}.")


def _built_in(name: str, kind: str) -> bool:
    return name in BUILT_IN and name == kind
