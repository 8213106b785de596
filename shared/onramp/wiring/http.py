"""HTTP clients for the providers. Separate from `clients`, so that the trigger does not import Stripe's SDK."""

from __future__ import annotations

import stripe
import urllib3

from onramp.adapters.stripe import TIMEOUT_SECONDS


def for_stripe() -> stripe.HTTPClient:
    return stripe.RequestsClient(timeout=TIMEOUT_SECONDS)


def for_revenuecat(connections: int) -> urllib3.PoolManager:
    return urllib3.PoolManager(maxsize=connections)
