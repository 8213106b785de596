"""The keys of the providers: can each be read, and does its provider accept it. A key is never printed."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import urllib3
from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code
from onramp.ops.common.deployment import Deployment
from onramp.ops.common.shell import command
from onramp.ops.doctor.findings import Cause, Finding, ok, trouble, warning

WAITING = "new signups wait in the queue; none is lost, and the worker provisions them once this is cured."


def stripe(stack: Deployment) -> Iterator[Finding]:
    url = f"{stack.parameters['StripeBaseUrl'].rstrip('/')}/v1/customers?limit=1"
    yield from _provider(stack, "Stripe", "StripeSecretName", url)


def revenuecat(stack: Deployment) -> Iterator[Finding]:
    project = quote(stack.parameters["RevenueCatProjectId"], safe="")
    url = f"{stack.parameters['RevenueCatBaseUrl'].rstrip('/')}/v2/projects/{project}/customers?limit=1"
    yield from _provider(stack, "RevenueCat", "RevenueCatSecretName", url)


def _provider(stack: Deployment, provider: str, parameter: str, url: str) -> Iterator[Finding]:
    name = stack.parameters[parameter]
    if not name:
        yield ok(f"{provider} is not used: {parameter} is empty.")
        return
    put = command("aws ssm put-parameter --name {} --type SecureString --overwrite --value KEY", name)
    try:
        secret = stack.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]
    except ClientError as error:
        if error_code(error) not in ("ParameterNotFound", "ParameterVersionNotFound"):
            raise
        yield trouble(
            f"{provider}'s key is missing: there is no SSM parameter {name}.", WAITING, put, Cause.PROVIDER_KEY
        )
        return
    if secret["Type"] != "SecureString":
        why = "every caller that may read parameters may read the key: it is not encrypted."
        delete = "aws ssm delete-parameter --name {}"
        cure = command(f"{delete} && aws ssm put-parameter --name {{}} --type SecureString --value KEY", name, name)
        yield trouble(f"{provider}'s key in {name} is not a SecureString.", why, cure)
    if key := secret["Value"].strip():
        yield _accepted(stack, provider, name, url, key, put)
    else:
        yield trouble(f"{provider}'s key in {name} is empty.", WAITING, put, Cause.PROVIDER_KEY)


def _accepted(stack: Deployment, provider: str, name: str, url: str, key: str, put: str) -> Finding:
    """One read call, with the key as the worker sends it."""
    try:
        reply = stack.http.request("GET", url, headers={"Authorization": f"Bearer {key}"}, redirect=False)
    except urllib3.exceptions.HTTPError as error:
        cure = "check the provider's status page, the stack's base URL and the network of this machine."
        return warning(f"{provider} does not answer this machine ({type(error).__name__}).", WAITING, cure)
    match reply.status:
        case 200:
            return ok(f"{provider} accepts the key in {name}.")
        case 401 | 403:
            what = f"{provider} refuses the key in {name} ({reply.status})."
            return trouble(what, WAITING, put, Cause.PROVIDER_KEY)
        case 404 if provider == "RevenueCat":
            cure = stack.deploy_command(RevenueCatProjectId="PROJECT_ID")
            return trouble("RevenueCat has no such project.", "it refuses every customer, permanently.", cure)
    return warning(f"{provider} answers {reply.status}.", WAITING, "check the provider's status page.")
