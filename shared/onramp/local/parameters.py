"""The stack parameters of a local deployment."""

from __future__ import annotations

from collections.abc import Mapping

from onramp.local.fakes import revenuecat, stripe
from onramp.local.translate import Template

REGION = "eu-west-1"
STACK_NAME = "onramp-local"
SECRETS = {"/onramp/local/stripe-key": stripe.LOCAL_KEY, "/onramp/local/revenuecat-key": revenuecat.LOCAL_KEY}
"""SSM SecureStrings, created before the deployment as an operator does."""

_STRIPE_SECRET, _REVENUECAT_SECRET = SECRETS
LOCAL = {
    "DeletionProtection": "false",
    "VisibilityTimeoutSeconds": "30",  # a crashed worker's message returns within a short wait
    "RetryBackoffBaseSeconds": "1",
    "StripeRequestsPerSecond": "1000",  # the fakes have no rate limit
    "RevenueCatRequestsPerMinute": "60000",
    "StripeSecretName": _STRIPE_SECRET,
    "RevenueCatSecretName": _REVENUECAT_SECRET,
    "RevenueCatProjectId": revenuecat.LOCAL_PROJECT,
}


def local_parameters(
    sam: Template, fakes: Mapping[str, str], overrides: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The local parameters that this template declares, and every override."""
    local = {**LOCAL, "StripeBaseUrl": fakes["stripe"], "RevenueCatBaseUrl": fakes["revenuecat"]}
    declared = sam.get("Parameters", {})
    return {**{name: value for name, value in local.items() if name in declared}, **(overrides or {})}
