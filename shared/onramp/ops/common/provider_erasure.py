"""Deletes a user's customers at Stripe and RevenueCat, with the stack's own keys and base URLs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools.utilities.parameters import SSMProvider

from onramp.adapters.revenuecat import RevenueCatSubscribers
from onramp.adapters.secrets import SsmSecret
from onramp.adapters.stripe import StripeCustomers
from onramp.domain.errors import PermanentError, RetryableError
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import CommandFailed, UsageError
from onramp.wiring import http

STRIPE, REVENUECAT = "stripe", "revenuecat"


@dataclass(frozen=True, slots=True)
class CustomerKeys:
    """What leads to a user's customers: the address, every sub, and the rows of their profiles."""

    user_id: str | None
    subs: Sequence[str]
    profiles: Sequence[Mapping[str, Any]]


Eraser = Callable[[CustomerKeys], int]
"""Deletes the customers at one provider and returns how many. Raises CommandFailed."""


def provider_erasers(context: OperatorContext, providers: Collection[str]) -> dict[str, Eraser]:
    """By provider, for those named. Raises UsageError where the stack does not use one of them."""
    erasers: dict[str, Eraser] = {}
    parameters, secrets = context.parameters, SSMProvider(boto3_client=context.client("ssm"))
    if STRIPE in providers:
        key = SsmSecret(secrets, _secret_name(context, "Stripe"))
        customers = StripeCustomers(key, parameters["StripeBaseUrl"], _no_pacing, http.for_stripe())
        erasers[STRIPE] = _explained("Stripe", _stripe_eraser(customers))
    if REVENUECAT in providers:
        key = SsmSecret(secrets, _secret_name(context, "RevenueCat"))
        subscribers = RevenueCatSubscribers(
            key, parameters["RevenueCatBaseUrl"], parameters["RevenueCatProjectId"], _no_pacing, http.for_revenuecat()
        )
        erasers[REVENUECAT] = _explained("RevenueCat", _revenuecat_eraser(subscribers))
    return erasers


def _stripe_eraser(customers: StripeCustomers) -> Eraser:
    """Finds customers by the ids in the profiles, and by e-mail address: the reply with an id may have been lost.

    Deletes only those whose metadata contains one of the subs: users can edit their profiles, and two users may share
    an address.
    """

    def erase(keys: CustomerKeys) -> int:
        by_id = [customers.get(str(row["stripeCustomerId"])) for row in keys.profiles if row.get("stripeCustomerId")]
        by_email = customers.with_email(keys.user_id) if keys.user_id else ()
        candidates = [*filter(None, by_id), *by_email]
        ids = {customer.id for customer in candidates if customer.metadata.get("cognitoSub") in keys.subs}
        return sum(customers.delete(customer) for customer in sorted(ids))

    return erase


def _revenuecat_eraser(subscribers: RevenueCatSubscribers) -> Eraser:
    """A RevenueCat customer's id is a sub, never another value: the id in a profile is not used."""

    def erase(keys: CustomerKeys) -> int:
        return sum(subscribers.delete(sub) for sub in keys.subs)

    return erase


def _secret_name(context: OperatorContext, provider: str) -> str:
    if not (name := context.parameters.get(f"{provider}SecretName", "")):
        raise UsageError(f"this stack does not use {provider}: leave out --{provider.lower()}.")
    return name


def _no_pacing() -> None:
    """An erasure makes a few calls only, far below the providers' rate limits."""


def _explained(provider: str, erase: Eraser) -> Eraser:
    def explained(keys: CustomerKeys) -> int:
        try:
            return erase(keys)
        except (RetryableError, PermanentError) as error:
            raise CommandFailed(
                f"{provider} did not delete the customer ({error.code}): run the same command again to continue."
            ) from error

    return explained
