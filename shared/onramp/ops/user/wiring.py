"""The parts of the `user` commands, from one deployed stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from onramp.adapters.cognito import UserPools
from onramp.adapters.eventbridge import EventBus
from onramp.adapters.tombstones import Tombstones
from onramp.domain.decision import Facts
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.deployed_rules import deployed_rules
from onramp.ops.common.owed_users import OwedUsers
from onramp.ops.tables.erasures import ErasureJournal
from onramp.ops.tables.users import UserWrites
from onramp.ops.user.address_search import AddressSearch
from onramp.ops.user.erasure_targets import ErasureTargets
from onramp.ops.user.lookup import UserLookup
from onramp.ops.user.pool_matches import PoolMatches
from onramp.ops.user.relink_checks import RelinkChecks
from onramp.usecases.heal import Heal
from onramp.usecases.signup import SignUp


@dataclass(frozen=True, slots=True)
class UserWiring:
    """`users` reads the rows of one user, `records` writes `Users`."""

    users: UserLookup
    owed: OwedUsers
    records: UserWrites
    pool_matches: PoolMatches
    relink_checks: RelinkChecks
    erasure_targets: ErasureTargets
    heal: Heal
    default_role: str

    @classmethod
    def of(cls, context: OperatorContext) -> Self:
        dynamodb, operations = context.client("dynamodb"), context.output("OperationsTableName")
        users_table, profiles_table = context.output("UsersTableName"), context.output("UserProfilesTableName")
        users, records = UserLookup(dynamodb, users_table, profiles_table), UserWrites(dynamodb, users_table)
        pools, tombstones = UserPools(context.client("cognito-idp")), Tombstones(dynamodb, operations)
        rules = deployed_rules(context)
        return cls(
            users=users,
            owed=OwedUsers(dynamodb, users_table, context.users, context.profiles),
            records=records,
            pool_matches=PoolMatches(pools, context.users, tombstones, rules),
            relink_checks=RelinkChecks(pools, context.users, tombstones, rules),
            erasure_targets=ErasureTargets(
                users=users,
                records=context.users,
                pools=pools,
                addresses=AddressSearch(pools, rules.pools),
                tombstones=tombstones,
                journal=ErasureJournal(dynamodb, operations),
                pool=context.output("UserPoolId"),
            ),
            heal=Heal(
                admission=rules.admission,
                facts=Facts(context.users.get, context.users.holder_of, tombstones.is_forgotten),
                sign_up=SignUp(context.users, EventBus(context.client("events"), context.output("EventBusName"))),
                clock=context.now,
            ),
            default_role=rules.admission.default_role,
        )
