"""One RevenueCat customer per sub. The caller chooses the id, so RevenueCat itself dedups and no intent is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from onramp.domain.users import Profile, User


class Subscribers(Protocol):
    def ensure(self, customer_id: str, attributes: Mapping[str, str]) -> None:
        """Creates the customer; one that exists already is a success. Raises RetryableError, PermanentError."""


@dataclass(frozen=True, slots=True)
class RevenueCatCustomer:
    subscribers: Subscribers
    name: str = "revenuecat"

    def enrich(self, user: User, profile: Profile) -> Mapping[str, str]:
        """The id is the sub, never the e-mail: ids may hold letters, digits, `_` and `-` only.

        After a relink it stays the first sub's: all workers compute the same id, so there is no second customer.
        """
        customer_id = profile.revenue_cat_id or next(iter(user.linked_before), profile.sub)
        attributes = {"$email": user.user_id}
        if profile.display_name:
            attributes["$displayName"] = profile.display_name
        self.subscribers.ensure(customer_id, attributes)
        return {"revenueCatId": customer_id}
