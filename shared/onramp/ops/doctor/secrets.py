"""The providers' keys: can they be read, and does the provider accept them. A key is never shown."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import urllib3
from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code
from onramp.ops.common.deployment import Deployment
from onramp.ops.doctor.findings import Finding, ok, trouble, warning

WAITING = "new signups wait in the queue, with nothing lost; they drain by themselves once it is mended."


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
        yield ok(f"{provider} is not used: the stack names no key for it.")
        return
    put = f"aws ssm put-parameter --name {name} --type SecureString --overwrite --value KEY"
    try:
        found = stack.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]
    except ClientError as error:
        if error_code(error) not in ("ParameterNotFound", "ParameterVersionNotFound"):
            raise
        yield trouble(f"{provider}'s key is not there: no SSM parameter {name}.", WAITING, put)
        return
    if found["Type"] != "SecureString":
        why = "whoever may list parameters may read the key."
        cure = f"aws ssm delete-parameter --name {name} && {put.replace(' --overwrite', '')}"
        yield trouble(f"{provider}'s key in {name} is no SecureString.", why, cure)
    if key := str(found["Value"]).strip():
        yield _accepted(stack, provider, name, url, key, put)
    else:
        yield trouble(f"{provider}'s key in {name} is empty.", WAITING, put)


def _accepted(stack: Deployment, provider: str, name: str, url: str, key: str, put: str) -> Finding:
    """One read call, as the worker would make it."""
    try:
        reply = stack.http.request("GET", url, headers={"Authorization": f"Bearer {key}"}, redirect=False)
    except urllib3.exceptions.HTTPError as error:
        cure = "look at the provider's status page, or at the stack's base URL and this machine's way out."
        return warning(f"{provider} does not answer from here ({type(error).__name__}).", WAITING, cure)
    match reply.status:
        case 200:
            return ok(f"{provider} accepts the key in {name}.")
        case 401 | 403:
            return trouble(f"{provider} refuses the key in {name} ({reply.status}).", WAITING, put)
        case 404 if provider == "RevenueCat":
            cure = stack.deploy_with(RevenueCatProjectId="PROJECT_ID")
            return trouble("RevenueCat knows no such project.", "every customer is refused for good.", cure)
    return warning(f"{provider} answers {reply.status}.", WAITING, "look at the provider's status page.")
