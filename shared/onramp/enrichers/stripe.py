"""One Stripe customer per (pool, sub), ever.

The stored intent is the dedup; the idempotency key alone is not enough: Stripe keeps keys for about 24 hours, replays a
stored 500 and refuses changed parameters. So each request is stored before it is sent, and its age decides what may be
done with it:

    younger than 20 h   post the stored body under the stored key
    20 to 21 h          wait: this quiet hour is longer than any worker's life, request and clock skew, so two workers
                        are never on different sides of the limit
    older than 21 h     the key may be deleted: look for our customer, adopt it, else the next epoch

Never adopted by e-mail alone: the address may belong to an earlier customer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from onramp.domain.errors import OnrampError, PermanentError, RetryableError
from onramp.domain.users import BROKEN_INTENT, Intent, Profile, User

HOUR = 3_600_000  # milliseconds
KEY_IS_SAFE = 20 * HOUR
KEY_IS_GONE = 21 * HOUR
BURNT = 0  # the `created_at` of an intent whose key must not be used again


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer as Stripe lists it; `created` in Unix seconds."""

    id: str
    created: int
    metadata: Mapping[str, str]


class ReplayedFailure(OnrampError):
    """Stripe replayed a stored 500: it will answer every later request with this key in the same way."""


class Customers(Protocol):
    def get(self, customer_id: str) -> Customer | None:
        """None where Stripe has no such customer. Raises RetryableError, PermanentError."""

    def create(self, body: Mapping[str, Any], key: str) -> str:
        """The id. Raises ReplayedFailure, RetryableError, or PermanentError on a definite refusal."""

    def with_email(self, email: str) -> Iterable[Customer]:
        """All customers of the address, every page. Raises RetryableError, PermanentError."""


class Intents(Protocol):
    def store_first_intent(self, sub: str, intent: Intent) -> Profile: ...
    def store_next_intent(self, sub: str, read: Intent, intent: Intent) -> Profile: ...


@dataclass(frozen=True, slots=True)
class StripeCustomer:
    """`still_linked` reads the record again: whether it is linked as it was when the user was read."""

    customers: Customers
    intents: Intents
    still_linked: Callable[[User], bool]
    clock: Callable[[], int]
    name: str = "stripe"

    def enrich(self, user: User, profile: Profile) -> Mapping[str, str]:
        if BROKEN_INTENT in profile.unreadable:
            # Its request may have been sent under a key that is lost: only an operator can tell.
            raise PermanentError("unreadable_intent")
        return {"stripeCustomerId": profile.stripe_customer_id or self._customer(user, profile)}

    def _customer(self, user: User, profile: Profile) -> str:
        if found := self._verified(user, profile.unproven.get("stripeCustomerId")):
            return found
        return self._follow(user, profile) if profile.intent else self._first(user, profile)

    def _verified(self, user: User, customer_id: str | None) -> str | None:
        """An id that another writer stored counts only if Stripe's metadata names this user."""
        if not customer_id:
            return None
        try:
            customer = self.customers.get(customer_id)
        except PermanentError:
            return None
        return customer.id if customer and _is_of(customer, user) else None

    def _proceed(self, user: User, intent: Intent, *, last: bool = False) -> str:
        """Acts by the intent's age. `last`: this attempt has replaced an epoch already and replaces no other."""
        if intent.link != (link := user.linked_at or 0):
            return self._mark(user, intent, link, last=last)
        age = self.clock() - intent.created_at
        if age < KEY_IS_SAFE:
            return self._post(user, intent, last=last)
        if age <= KEY_IS_GONE:
            raise RetryableError("stripe_quiet_hour", delay=(KEY_IS_GONE - age) / 1000 + 1)
        return self._adopt(user, intent) or self._next(user, intent)

    def _mark(self, user: User, intent: Intent, link: int, *, last: bool) -> str:
        """An intent of another link becomes this link's before it is used.

        The record was read after the intent, so also a later link is over: the record was deleted and created again,
        by a process whose clock may be behind.
        """
        marked = self.intents.store_next_intent(str(user.cognito_sub), intent, replace(intent, link=link))
        return self._follow(user, marked, last=last)

    def _first(self, user: User, profile: Profile) -> str:
        intent = intent_of(user, 1, self.clock())
        old = self.clock() - (user.linked_at or 0) > KEY_IS_SAFE
        if (old or user.linked_before) and (found := self._adopt(user, intent)):
            # A user that old without an intent may come from a restored table, and an earlier sub may have a customer.
            return found
        return self._follow(user, self.intents.store_first_intent(profile.sub, intent))

    def _next(self, user: User, burnt: Intent) -> str:
        """Stores the next epoch, unless another worker was first; continues with the stored one."""
        fresh = intent_of(user, burnt.epoch + 1, self.clock())
        return self._follow(user, self.intents.store_next_intent(str(user.cognito_sub), burnt, fresh), last=True)

    def _follow(self, user: User, stored: Profile, *, last: bool = False) -> str:
        """Continues with what is stored now, by this worker or another, after a read or write of an intent.

        The record is read again first: after a relink the new sub's worker inherits the intents, and one that is stored
        too late for that must not be posted beside its own.
        """
        if not self.still_linked(user):
            raise RetryableError("relinked")
        if stored.stripe_customer_id:
            return stored.stripe_customer_id
        if stored.intent is None:
            raise RetryableError("stripe_intent_vanished")
        return self._proceed(user, stored.intent, last=last)

    def _post(self, user: User, intent: Intent, *, last: bool) -> str:
        try:
            return self.customers.create(intent.body, intent.key)
        except ReplayedFailure as error:
            if last:
                raise RetryableError("stripe_replayed_500") from error
            return self._adopt(user, intent) or self._next(user, intent)
        except PermanentError:
            # Burnt before the search: a redrive would otherwise send the refused request again. The redrive makes the
            # next epoch from the record as it is then: an operator may have corrected it.
            self.intents.store_next_intent(str(user.cognito_sub), intent, replace(intent, created_at=BURNT))
            if found := self._adopt(user, intent):
                return found
            raise

    def _adopt(self, user: User, intent: Intent) -> str | None:
        """The oldest customer with the intent's address whose metadata names this user, or is the intent's own."""
        named = intent.body["metadata"].items()
        ours = [
            customer
            for customer in self.customers.with_email(intent.body["email"])
            if _is_of(customer, user) or all(customer.metadata.get(name) == value for name, value in named)
        ]
        return min(ours, key=lambda customer: customer.created).id if ours else None


def _is_of(customer: Customer, user: User) -> bool:
    """By metadata: the present sub in its pool, or one that the record had before. Subs are unique across pools."""
    sub, pool = customer.metadata.get("cognitoSub"), customer.metadata.get("userPoolId")
    return (sub, pool) == (user.cognito_sub, user.user_pool_id) or sub in user.linked_before


def intent_of(user: User, epoch: int, now: int) -> Intent:
    """The request for this user. The key contains no time: after a table restore the same keys are computed again."""
    key = f"onramp/{user.user_pool_id}/{user.cognito_sub}/{epoch}"
    return Intent(epoch, key, now, _body(user), user.linked_at or 0)


def _body(user: User) -> dict[str, Any]:
    """A pure function of stored data: a retry must send the same body."""
    metadata = {"cognitoSub": user.cognito_sub, "userPoolId": user.user_pool_id}
    name = {"name": user.names.full} if user.names.full else {}
    return {"email": user.user_id, **name, "metadata": metadata}
