"""The parts of the user commands, from the stack."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from onramp.adapters.cognito import UserPools
from onramp.adapters.eventbridge import EventBus
from onramp.adapters.tombstones import Tombstones
from onramp.ops.desk import Desk
from onramp.ops.dlq.parts import parts_of
from onramp.ops.rules import Rules, deployed_rules
from onramp.ops.user.forget import Forget
from onramp.ops.user.journal import Journal
from onramp.ops.user.letters import drop_letters
from onramp.ops.user.newcomer import Newcomers
from onramp.ops.user.people import People
from onramp.ops.user.prepare import Preparations
from onramp.ops.user.providers import Erase
from onramp.ops.user.relink import Relink
from onramp.ops.user.roles import Roles
from onramp.ops.user.unknown import Strangers
from onramp.ops.user.whom import Whom


@dataclass
class UserDesk:
    desk: Desk

    @cached_property
    def people(self) -> People:
        return People(self.desk.client("dynamodb"), self._users, self._profiles)

    @cached_property
    def rules(self) -> Rules:
        return deployed_rules(self.desk)

    @cached_property
    def strangers(self) -> Strangers:
        return Strangers(self.pools, self.desk.users, self.tombstones, self.rules)

    @cached_property
    def newcomers(self) -> Newcomers:
        return Newcomers(self.pools, self.desk.users, self.tombstones, self.rules)

    @cached_property
    def preparations(self) -> Preparations:
        return Preparations(self.desk.client("dynamodb"), self._users)

    @cached_property
    def roles(self) -> Roles:
        return Roles(self.desk.client("dynamodb"), self._users)

    @cached_property
    def relink(self) -> Relink:
        uses = self.desk.parameters
        return Relink(
            self.desk.client("dynamodb"),
            self._users,
            self.desk.profiles,
            stripe=bool(uses.get("StripeSecretName")),
            revenuecat=bool(uses.get("RevenueCatSecretName")),
        )

    @cached_property
    def whom(self) -> Whom:
        return Whom(self.people, self._journal, self.desk.output("UserPoolId"))

    def forget(self, erasers: Mapping[str, Erase]) -> Forget:
        parts = parts_of(self.desk)
        return Forget(
            client=self.desk.client("dynamodb"),
            users_table=self._users,
            profiles_table=self._profiles,
            journal=self._journal,
            erasers=erasers,
            drop_letters=lambda subs: drop_letters(parts, subs),
            publisher=EventBus(self.desk.client("events"), self.desk.output("EventBusName")),
            clock=self.desk.now,
            sleep=time.sleep,
        )

    def in_cognito(self, subs: Iterable[str]) -> dict[str, str]:
        """Those that a pool of the stack knows, with their pool."""
        return {sub: pool for sub in subs for pool in self.rules.pools if self.pools.matching(pool, "sub", sub)}

    @cached_property
    def pools(self) -> UserPools:
        return UserPools(self.desk.client("cognito-idp"))

    @cached_property
    def tombstones(self) -> Tombstones:
        return Tombstones(self.desk.client("dynamodb"), self.desk.output("OperationsTableName"))

    @property
    def _journal(self) -> Journal:
        return Journal(self.desk.client("dynamodb"), self.desk.output("OperationsTableName"))

    @property
    def _users(self) -> str:
        return self.desk.output("UsersTableName")

    @property
    def _profiles(self) -> str:
        return self.desk.output("UserProfilesTableName")
