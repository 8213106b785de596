"""The providers' side of an erasure, with the stack's own keys and addresses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aws_lambda_powertools.utilities.parameters import SSMProvider

from onramp.adapters.revenuecat import RevenueCatSubscribers
from onramp.adapters.secrets import SsmSecret
from onramp.adapters.stripe import StripeCustomers
from onramp.domain.errors import PermanentError, RetryableError
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import CommandFailed, UsageError
from onramp.ops.user.lookup import Row
from onramp.wiring import http

Erase = Callable[["Traces"], int]


@dataclass(frozen=True, slots=True)
class Traces:
    """What may have left something with a provider: the address, every sub, and their profiles."""

    user_id: str | None
    subs: Sequence[str]
    profiles: Sequence[Row]


def stripe_eraser(customers: StripeCustomers) -> Erase:
    """The customers that the profiles name or that have the address: an answer may have been lost.

    Only those made for one of these subs: a user may have edited the profile, and an address may be shared.
    """

    def erase(traces: Traces) -> int:
        named = [customers.get(str(row["stripeCustomerId"])) for row in traces.profiles if row.get("stripeCustomerId")]
        found = [*filter(None, named), *(customers.with_email(traces.user_id) if traces.user_id else ())]
        ours = {customer.id for customer in found if customer.metadata.get("cognitoSub") in traces.subs}
        return sum(customers.delete(customer) for customer in sorted(ours))

    return erase


def revenuecat_eraser(subscribers: RevenueCatSubscribers) -> Erase:
    """A customer's id there is a sub, and nothing else."""

    def erase(traces: Traces) -> int:
        return sum(subscribers.delete(sub) for sub in traces.subs)

    return erase


def erasers(context: OperatorContext, *, stripe: bool, revenuecat: bool) -> Mapping[str, Erase]:
    """Those asked for. Raises DeskError where the stack does not use one."""
    chosen: dict[str, Erase] = {}
    parameters, secrets = context.parameters, SSMProvider(boto3_client=context.client("ssm"))
    if stripe:
        key = SsmSecret(secrets, _secret(context, "Stripe"))
        customers = StripeCustomers(key, parameters["StripeBaseUrl"], _at_once, http.for_stripe())
        chosen["stripe"] = _explained("Stripe", stripe_eraser(customers))
    if revenuecat:
        key = SsmSecret(secrets, _secret(context, "RevenueCat"))
        subscribers = RevenueCatSubscribers(
            key, parameters["RevenueCatBaseUrl"], parameters["RevenueCatProjectId"], _at_once, http.for_revenuecat(1)
        )
        chosen["revenuecat"] = _explained("RevenueCat", revenuecat_eraser(subscribers))
    return chosen


def _secret(context: OperatorContext, provider: str) -> str:
    if not (name := context.parameters.get(f"{provider}SecretName", "")):
        raise UsageError(f"this stack does not use {provider}: leave --{provider.lower()} out.")
    return name


def _at_once() -> None:
    """A handful of calls need no pacing."""


def _explained(provider: str, erase: Erase) -> Erase:
    def explained(traces: Traces) -> int:
        try:
            return erase(traces)
        except (RetryableError, PermanentError) as error:
            word = error.code
            raise CommandFailed(
                f"{provider} did not delete the customer ({word}): run the same again, it goes on there."
            ) from error

    return explained
