"""HTTP clients for the providers. Separate from `clients`, so that the trigger does not import Stripe's SDK.

Neither follows a redirect: the page behind it might answer 404, which would be a final refusal of the user.
"""

from __future__ import annotations

import threading

import requests
import stripe
import urllib3

from onramp.adapters.stripe import TIMEOUT_SECONDS


class _Session(threading.local, requests.Session):
    """One for each thread, as Stripe's SDK makes its own."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None: the answer itself is returned."""


def for_stripe() -> stripe.HTTPClient:
    return stripe.RequestsClient(timeout=TIMEOUT_SECONDS, session=_Session())


def for_revenuecat(connections: int) -> urllib3.PoolManager:
    """Its caller passes `retries=False`, which follows none."""
    return urllib3.PoolManager(maxsize=connections)
