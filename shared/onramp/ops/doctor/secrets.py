"""The keys of the providers: can each be read, and does its provider accept it. A key is never printed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote

import urllib3
from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code
from onramp.ops.common.deployment import Deployment
from onramp.ops.common.next_steps import next_step
from onramp.ops.common.shell import command
from onramp.ops.doctor.findings import Cause, Finding, ok, trouble, warning

if TYPE_CHECKING:
    from mypy_boto3_ssm.type_defs import ParameterStringFilterTypeDef

DEFAULT_KEY = "alias/aws/ssm"
CREATE = "aws ssm put-parameter --name {} --type SecureString --value KEY"
OVERWRITE = "aws ssm put-parameter --name {} --type SecureString --overwrite --value KEY"
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
    try:
        secret = stack.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]
    except ClientError as error:
        if error_code(error) not in ("ParameterNotFound", "ParameterVersionNotFound"):
            raise
        yield trouble(
            f"{provider}'s key is missing: there is no SSM parameter {name}.",
            WAITING,
            command(OVERWRITE, name),
            Cause.PROVIDER_KEY,
        )
        return
    if secret["Type"] != "SecureString":
        why = "every caller that may read parameters may read the key: it is not encrypted."
        # SSM changes no parameter's type: it has to be another parameter of the same name.
        cure = " && ".join([command("aws ssm delete-parameter --name {}", name), command(CREATE, name)])
        yield trouble(f"{provider}'s key in {name} is not a SecureString.", why, cure)
    if key := secret["Value"].strip():
        yield _accepted(stack, provider, name, url, key)
    else:
        what = f"{provider}'s key in {name} is empty."
        yield trouble(what, WAITING, _overwrite_command(stack, name), Cause.PROVIDER_KEY)


def _answers(stack: Deployment, provider: str, name: str) -> Finding:
    """The check only reads: a key that may read, and is refused at each create, looks well to it."""
    step = provider.lower()
    accepted = f"{provider} accepts the key in {name}"
    codes = stack.owed_causes.of_step(step)
    if not codes:
        return ok(f"{accepted}.")
    users = sum(count for _, count in codes)
    errors = ", ".join(f"{code} ({count:,})" for code, count in codes[:3])
    return warning(
        f"{accepted} for reading; {users:,} of {stack.owed_causes.users:,} owed users have an error of it: {errors}.",
        "these users are not provisioned.",
        next_step("users_wait_for_a_provider", step=step),
    )


def _overwrite_command(stack: Deployment, name: str) -> str:
    """PutParameter without a key encrypts with the account's default one, also where the old value had another."""
    put = command(OVERWRITE, name)
    filters: list[ParameterStringFilterTypeDef] = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
    try:
        (described,) = stack.client("ssm").describe_parameters(ParameterFilters=filters)["Parameters"]
    except (ClientError, ValueError):  # the permission is missing, or the parameter
        return put
    key = described.get("KeyId", DEFAULT_KEY)
    return put if key == DEFAULT_KEY else put + command(" --key-id {}", key)


def _accepted(stack: Deployment, provider: str, name: str, url: str, key: str) -> Finding:
    """One read call, with the key as the worker sends it."""
    try:
        reply = stack.http.request("GET", url, headers={"Authorization": f"Bearer {key}"}, redirect=False)
    except urllib3.exceptions.HTTPError as error:
        cure = "check the provider's status page, the stack's base URL and the network of this machine."
        return warning(f"{provider} does not answer this machine ({type(error).__name__}).", WAITING, cure)
    match reply.status:
        case 200:
            return _answers(stack, provider, name)
        case 401 | 403:
            what = f"{provider} refuses the key in {name} ({reply.status})."
            return trouble(what, WAITING, _overwrite_command(stack, name), Cause.PROVIDER_KEY)
        case 404 if provider == "RevenueCat":
            cure = stack.deploy_command(RevenueCatProjectId="PROJECT_ID")
            return trouble("RevenueCat has no such project.", "it refuses every customer, permanently.", cure)
    return warning(f"{provider} answers {reply.status}.", WAITING, "check the provider's status page.")
