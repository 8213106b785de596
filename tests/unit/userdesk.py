"""The parts of `onramp user` over the world's fakes, as the commands put them together."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from onramp.adapters.cognito import UserPools
from onramp.adapters.eventbridge import EventBus
from onramp.adapters.owed import OwedIndex, OwedLedger
from onramp.adapters.profiles import ProfileTable
from onramp.adapters.revenuecat import RevenueCatSubscribers
from onramp.adapters.secrets import Secret
from onramp.adapters.stripe import StripeCustomers
from onramp.adapters.tombstones import Tombstones
from onramp.adapters.users import UserTable
from onramp.domain.claims import Admission
from onramp.domain.trust import TrustPolicy
from onramp.local.fakes.revenuecat import LOCAL_KEY as REVENUECAT_KEY
from onramp.local.fakes.revenuecat import LOCAL_PROJECT
from onramp.local.fakes.stripe import LOCAL_KEY as STRIPE_KEY
from onramp.ops.dlq.parts import Parts
from onramp.ops.rules import Rules
from onramp.ops.user.forget import Forget
from onramp.ops.user.journal import Journal
from onramp.ops.user.letters import drop_letters
from onramp.ops.user.newcomer import Newcomers
from onramp.ops.user.people import Name, People, Person
from onramp.ops.user.providers import Erase, revenuecat_eraser, stripe_eraser
from onramp.ops.user.relink import Relink
from onramp.ops.user.unknown import Strangers
from onramp.ops.user.whom import Whom
from tests.fakes.providers import HttpInMemory, StripeInMemory
from tests.world import BUS, DLQ, OPERATIONS, POOL, PROFILES, QUEUE, USERS, Inline, World

EMAIL = "nia@example.com"
OLD = "7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e01"
NEW = "7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e02"
GOOGLE = json.dumps([{"providerName": "Google", "providerType": "Google", "primary": "true"}])


class Key(Secret):
    def __init__(self, value: str) -> None:
        self._value = value

    def get(self, *, fresh: bool = False) -> str:
        return self._value


def in_pool(world: World, sub: str, email: str = EMAIL, status: str = "CONFIRMED", **attributes: str) -> None:
    world.cognito.add_user(sub, {"sub": sub, "email": email, "email_verified": "true"} | attributes, status)


class UserDesk:
    """`aws` may be wrapped clients; else the world's own."""

    def __init__(self, world: World, aws: dict[str, Any] | None = None, **trust: Any) -> None:
        self.world = world
        self.aws = world.aws if aws is None else world.aws | aws
        self.dynamodb = self.aws["dynamodb"]
        self.rules = Rules(
            Admission(frozenset({POOL}), TrustPolicy(**trust), 300_000), (POOL,), grace=300_000, fingerprint="rules"
        )
        self.users = UserTable(self.dynamodb, USERS)
        self.profiles = ProfileTable(self.dynamodb, PROFILES)
        self.people = People(self.dynamodb, USERS, PROFILES)
        self.tombstones = Tombstones(self.dynamodb, OPERATIONS)
        self.pools = UserPools(self.aws["cognito-idp"])
        self.strangers = Strangers(self.pools, self.users, self.tombstones, self.rules)
        self.newcomers = Newcomers(self.pools, self.users, self.tombstones, self.rules)
        self.journal = Journal(self.dynamodb, OPERATIONS)
        self.whom = Whom(self.people, self.journal, POOL)

    def now(self) -> int:
        return round(self.world.clock() * 1000)

    def find(self, who: str) -> Person:
        return self.people.find(Name.of(who))

    def relink(self, email: str = EMAIL, new: str = NEW, *, vouch: bool = False) -> bool:
        """What the command does; True also where it was done already."""
        user = self.find(email).user
        assert user is not None
        if user.cognito_sub == new:
            return True
        claim = self.newcomers.claim(user, new, self.now(), vouch=vouch)
        return Relink(self.dynamodb, USERS, self.profiles, stripe=True, revenuecat=True)(user, claim)

    def erasers(self) -> dict[str, Erase]:
        world = self.world
        customers = StripeCustomers(
            Key(STRIPE_KEY), "https://stripe.test", lambda: None, StripeInMemory(world.stripe, world.clock)
        )
        subscribers = RevenueCatSubscribers(
            Key(REVENUECAT_KEY),
            "https://revenuecat.test",
            LOCAL_PROJECT,
            lambda: None,
            HttpInMemory(world.revenuecat, world.clock),
        )
        return {"stripe": stripe_eraser(customers), "revenuecat": revenuecat_eraser(subscribers)}

    def forget(
        self, who: str = EMAIL, *, providers: bool = True, waited: list[float] | None = None
    ) -> dict[str, int] | None:
        """None where nobody is meant."""
        target = self.whom.find(Name.of(who))
        if target is None:
            return None
        work = Forget(
            client=self.dynamodb,
            users_table=USERS,
            profiles_table=PROFILES,
            journal=self.journal,
            erasers=self.erasers() if providers else {},
            drop_letters=lambda subs: drop_letters(self.parts(), subs),
            publisher=EventBus(self.aws["events"], BUS),
            clock=self.now,
            sleep=self.world.clock.advance,
        )
        return dict(work(target, correlation_id="forget", waiting=(waited if waited is not None else []).append))

    def parts(self) -> Parts:
        sqs, clock = self.aws["sqs"], self.world.clock
        return Parts(
            sqs=sqs,
            dead={"provisioning": self.world.sqs.url(DLQ)},
            provisioning_queue=self.world.sqs.url(QUEUE),
            users=self.users,
            profiles=self.profiles,
            tombstones=self.tombstones,
            ledger=OwedLedger(self.dynamodb, USERS),
            debts=OwedIndex(self.dynamodb, USERS),
            enrich_due_after=1,
            now=self.now,
            monotonic=clock,
            sleep=clock.advance,
            threads=lambda _: Inline(),
        )


def before_call(number: int, do: Callable[[], object]) -> Callable[[int, str, str], str | None]:
    """A plan of faults that has none: before the call of this number, somebody else gets a turn."""

    def plan(index: int, _: str, __: str) -> str | None:
        if index == number:
            do()
        return None

    return plan
