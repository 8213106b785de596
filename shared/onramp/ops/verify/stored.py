"""What the tables hold about a synthetic user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onramp.domain.users import Profile, User
from onramp.ops.verify.pool_users import SyntheticUser
from onramp.ops.verify.wiring import VerifyWiring


def record_row(wiring: VerifyWiring, user: SyntheticUser) -> Mapping[str, Any] | None:
    """The record as it is stored."""
    table = wiring.outputs["UsersTableName"]
    return wiring.dynamodb.get_item(TableName=table, Key={"userId": {"S": user.email}}, ConsistentRead=True).get("Item")


def is_provisioned(wiring: VerifyWiring, email: str, sub: str) -> bool:
    user, profile = wiring.users.get(email), wiring.profiles.get(sub)
    return user is not None and user.owed is None and profile is not None and profile.ready


def state_of(wiring: VerifyWiring, email: str, sub: str) -> str:
    user, profile = wiring.users.get(email), wiring.profiles.get(sub)
    return f"{_owed(user)}, {_steps(profile)}."


def _owed(user: User | None) -> str:
    if user is None:
        return "the user has no record"
    return f"the user owes {user.owed.partition('#')[0]}" if user.owed else "nothing is owed"


def _steps(profile: Profile | None) -> str:
    if profile is None:
        return "no profile"
    steps = ", ".join(f"{name} {record.get('state')}" for name, record in sorted(profile.steps.items()))
    return f"profile {profile.status}" + (f" ({steps})" if steps else "")
