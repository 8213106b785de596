"""The parts of the user commands, from the stack."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from onramp.adapters.cognito import UserPools
from onramp.adapters.eventbridge import EventBus
from onramp.adapters.tombstones import Tombstones
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.deployed_rules import DeployedRules, deployed_rules
from onramp.ops.common.queue_reader import DeadLetterQueues, drop_letters
from onramp.ops.tables.erasures import ErasureJournal
from onramp.ops.user.erasure_target import ErasureTargets
from onramp.ops.user.forget import Forget
from onramp.ops.user.lookup import UserLookup
from onramp.ops.user.pool_matches import PoolMatches
from onramp.ops.user.prepare import Preparations
from onramp.ops.user.providers import Erase
from onramp.ops.user.relink import Relink
from onramp.ops.user.relink_checks import RelinkChecks
from onramp.ops.user.roles import Roles


@dataclass
class UserWiring:
    context: OperatorContext

    @cached_property
    def people(self) -> UserLookup:
        return UserLookup(self.context.client("dynamodb"), self._users, self._profiles)

    @cached_property
    def rules(self) -> DeployedRules:
        return deployed_rules(self.context)

    @cached_property
    def strangers(self) -> PoolMatches:
        return PoolMatches(self.pools, self.context.users, self.tombstones, self.rules)

    @cached_property
    def newcomers(self) -> RelinkChecks:
        return RelinkChecks(self.pools, self.context.users, self.tombstones, self.rules)

    @cached_property
    def preparations(self) -> Preparations:
        return Preparations(self.context.client("dynamodb"), self._users)

    @cached_property
    def roles(self) -> Roles:
        return Roles(self.context.client("dynamodb"), self._users)

    @cached_property
    def relink(self) -> Relink:
        uses = self.context.parameters
        return Relink(
            self.context.client("dynamodb"),
            self._users,
            self.context.profiles,
            stripe=bool(uses.get("StripeSecretName")),
            revenuecat=bool(uses.get("RevenueCatSecretName")),
        )

    @cached_property
    def whom(self) -> ErasureTargets:
        return ErasureTargets(self.people, self._journal, self.context.output("UserPoolId"))

    def forget(self, erasers: Mapping[str, Erase]) -> Forget:
        queues = DeadLetterQueues.of(self.context)
        return Forget(
            client=self.context.client("dynamodb"),
            users_table=self._users,
            profiles_table=self._profiles,
            journal=self._journal,
            erasers=erasers,
            drop_letters=lambda subs: drop_letters(queues, subs),
            publisher=EventBus(self.context.client("events"), self.context.output("EventBusName")),
            clock=self.context.now,
            sleep=time.sleep,
        )

    def in_cognito(self, subs: Iterable[str]) -> dict[str, str]:
        """Those that a pool of the stack knows, with their pool."""
        return {sub: pool for sub in subs for pool in self.rules.pools if self.pools.matching(pool, "sub", sub)}

    @cached_property
    def pools(self) -> UserPools:
        return UserPools(self.context.client("cognito-idp"))

    @cached_property
    def tombstones(self) -> Tombstones:
        return Tombstones(self.context.client("dynamodb"), self.context.output("OperationsTableName"))

    @property
    def _journal(self) -> ErasureJournal:
        return ErasureJournal(self.context.client("dynamodb"), self.context.output("OperationsTableName"))

    @property
    def _users(self) -> str:
        return self.context.output("UsersTableName")

    @property
    def _profiles(self) -> str:
        return self.context.output("UserProfilesTableName")
