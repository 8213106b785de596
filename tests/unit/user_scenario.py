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
from onramp.ops.common.deployed_rules import DeployedRules
from onramp.ops.dlq.wiring import DlqWiring
from onramp.ops.tables.erasures import ErasureJournal
from onramp.ops.user.erasure_target import ErasureTargets
from onramp.ops.user.forget import Forget
from onramp.ops.user.letters import drop_letters
from onramp.ops.user.lookup import StoredUser, UserIdentifier, UserLookup
from onramp.ops.user.pool_matches import PoolMatches
from onramp.ops.user.providers import Erase, revenuecat_eraser, stripe_eraser
from onramp.ops.user.relink import Relink
from onramp.ops.user.relink_checks import RelinkChecks
from tests.fakes.providers import HttpInMemory, StripeInMemory
from tests.pipeline import BUS, DLQ, OPERATIONS, POOL, PROFILES, QUEUE, USERS, InlineExecutor, InMemoryPipeline

EMAIL = "nia@example.com"
OLD = "7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e01"
NEW = "7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e02"
GOOGLE = json.dumps([{"providerName": "Google", "providerType": "Google", "primary": "true"}])


class Key(Secret):
    def __init__(self, value: str) -> None:
        self._value = value

    def get(self, *, fresh: bool = False) -> str:
        return self._value


def in_pool(
    pipeline: InMemoryPipeline, sub: str, email: str = EMAIL, status: str = "CONFIRMED", **attributes: str
) -> None:
    pipeline.cognito.add_user(sub, {"sub": sub, "email": email, "email_verified": "true"} | attributes, status)


class UserScenario:
    """`aws` may be wrapped clients; else the world's own."""

    def __init__(self, pipeline: InMemoryPipeline, aws: dict[str, Any] | None = None, **trust: Any) -> None:
        self.pipeline = pipeline
        self.aws = pipeline.aws if aws is None else pipeline.aws | aws
        self.dynamodb = self.aws["dynamodb"]
        self.rules = DeployedRules(
            Admission(frozenset({POOL}), TrustPolicy(**trust), 300_000), (POOL,), grace=300_000, fingerprint="rules"
        )
        self.users = UserTable(self.dynamodb, USERS)
        self.profiles = ProfileTable(self.dynamodb, PROFILES)
        self.people = UserLookup(self.dynamodb, USERS, PROFILES)
        self.tombstones = Tombstones(self.dynamodb, OPERATIONS)
        self.pools = UserPools(self.aws["cognito-idp"])
        self.strangers = PoolMatches(self.pools, self.users, self.tombstones, self.rules)
        self.newcomers = RelinkChecks(self.pools, self.users, self.tombstones, self.rules)
        self.journal = ErasureJournal(self.dynamodb, OPERATIONS)
        self.whom = ErasureTargets(self.people, self.journal, POOL)

    def now(self) -> int:
        return round(self.pipeline.clock() * 1000)

    def find(self, who: str) -> StoredUser:
        return self.people.find(UserIdentifier.of(who))

    def relink(self, email: str = EMAIL, new: str = NEW, *, vouch: bool = False) -> bool:
        """What the command does; True also where it was done already."""
        user = self.find(email).user
        assert user is not None
        if user.cognito_sub == new:
            return True
        claim = self.newcomers.claim(user, new, self.now(), vouch=vouch)
        return Relink(self.dynamodb, USERS, self.profiles, stripe=True, revenuecat=True)(user, claim)

    def erasers(self) -> dict[str, Erase]:
        pipeline = self.pipeline
        customers = StripeCustomers(
            Key(STRIPE_KEY), "https://stripe.test", lambda: None, StripeInMemory(pipeline.stripe, pipeline.clock)
        )
        subscribers = RevenueCatSubscribers(
            Key(REVENUECAT_KEY),
            "https://revenuecat.test",
            LOCAL_PROJECT,
            lambda: None,
            HttpInMemory(pipeline.revenuecat, pipeline.clock),
        )
        return {"stripe": stripe_eraser(customers), "revenuecat": revenuecat_eraser(subscribers)}

    def forget(
        self, who: str = EMAIL, *, providers: bool = True, waited: list[float] | None = None
    ) -> dict[str, int] | None:
        """None where nobody is meant."""
        target = self.whom.find(UserIdentifier.of(who))
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
            sleep=self.pipeline.clock.advance,
        )
        return dict(work(target, correlation_id="forget", waiting=(waited if waited is not None else []).append))

    def parts(self) -> DlqWiring:
        sqs, clock = self.aws["sqs"], self.pipeline.clock
        return DlqWiring(
            sqs=sqs,
            dead={"provisioning": self.pipeline.sqs.url(DLQ)},
            provisioning_queue=self.pipeline.sqs.url(QUEUE),
            users=self.users,
            profiles=self.profiles,
            tombstones=self.tombstones,
            ledger=OwedLedger(self.dynamodb, USERS),
            debts=OwedIndex(self.dynamodb, USERS),
            enrich_due_after=1,
            now=self.now,
            monotonic=clock,
            sleep=clock.advance,
            threads=lambda _: InlineExecutor(),
        )


def before_call(number: int, do: Callable[[], object]) -> Callable[[int, str, str], str | None]:
    """A plan of faults that has none: before the call of this number, somebody else gets a turn."""

    def plan(index: int, _: str, __: str) -> str | None:
        if index == number:
            do()
        return None

    return plan
