"""The one place where a local deployment differs from a real one in its parameters."""

from __future__ import annotations

from collections.abc import Mapping

from onramp.local.fakes import revenuecat, stripe
from onramp.local.translate import Template

REGION = "eu-west-1"
STACK_NAME = "onramp-local"
SECRETS = {"/onramp/local/stripe-key": stripe.LOCAL_KEY, "/onramp/local/revenuecat-key": revenuecat.LOCAL_KEY}
"""SSM SecureStrings, made before the deployment as an operator does it."""

_STRIPE_SECRET, _REVENUECAT_SECRET = SECRETS
LOCAL = {
    "DeletionProtection": "false",
    "VisibilityTimeoutSeconds": "30",  # a message of a crashed worker comes back while somebody is looking
    "RetryBackoffBaseSeconds": "1",
    "StripeRequestsPerSecond": "1000",  # the fakes have no limit of their own
    "RevenueCatRequestsPerMinute": "60000",
    "StripeSecretName": _STRIPE_SECRET,
    "RevenueCatSecretName": _REVENUECAT_SECRET,
    "RevenueCatProjectId": revenuecat.LOCAL_PROJECT,
}


def local_parameters(
    sam: Template, fakes: Mapping[str, str], overrides: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Parameters for this template: those it declares of ours, and every override."""
    ours = {**LOCAL, "StripeBaseUrl": fakes["stripe"], "RevenueCatBaseUrl": fakes["revenuecat"]}
    declared = sam.get("Parameters", {})
    return {**{name: value for name, value in ours.items() if name in declared}, **(overrides or {})}
