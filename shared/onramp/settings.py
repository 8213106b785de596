"""Reads the environment; no other module does. Without pydantic: the trigger imports it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from onramp.domain.errors import ConfigurationError
from onramp.domain.trust import TrustPolicy


def environment() -> Mapping[str, str]:
    return os.environ


def require(env: Mapping[str, str], *names: str) -> None:
    """Raises ConfigurationError with every missing name, so that one deployment can add them all."""
    if missing := [name for name in names if not env.get(name, "").strip()]:
        raise ConfigurationError(f"missing settings: {', '.join(missing)}; template.yaml sets them on the function")


@dataclass(frozen=True, slots=True)
class SignupSettings:
    """The settings of the trigger. `emit_due_after` in milliseconds."""

    users_table: str
    operations_table: str
    event_bus: str
    user_pool_ids: frozenset[str]
    trust: TrustPolicy
    emit_due_after: int
    default_role: str

    @classmethod
    def read(cls, env: Mapping[str, str]) -> SignupSettings:
        require(
            env,
            "USERS_TABLE_NAME",
            "OPERATIONS_TABLE_NAME",
            "EVENT_BUS_NAME",
            "USER_POOL_IDS",
            "EMIT_DUE_AFTER_SECONDS",
            "ALLOWED_ROLES",
            "DEFAULT_ROLE",
        )
        due = env["EMIT_DUE_AFTER_SECONDS"]
        if not due.isdecimal():
            raise ConfigurationError(f"EMIT_DUE_AFTER_SECONDS: '{due}' is not a whole number of seconds")
        role, allowed = env["DEFAULT_ROLE"].strip(), [name.strip() for name in env["ALLOWED_ROLES"].split(",")]
        if role not in allowed:
            raise ConfigurationError(f"DEFAULT_ROLE: '{role}' is not one of ALLOWED_ROLES: {', '.join(allowed)}")
        return cls(
            users_table=env["USERS_TABLE_NAME"],
            operations_table=env["OPERATIONS_TABLE_NAME"],
            event_bus=env["EVENT_BUS_NAME"],
            user_pool_ids=frozenset(pool_ids(env["USER_POOL_IDS"])),
            trust=TrustPolicy.parse(
                env.get("TRUSTED_IDENTITY_PROVIDERS", ""),
                allow_unverified=env.get("ALLOW_UNVERIFIED_SIGNUPS", "") == "true",
            ),
            emit_due_after=int(due) * 1000,
            default_role=role,
        )


def pool_ids(text: str) -> list[str]:
    """The ids of comma-separated pools, each given by its id or its ARN (`arn:aws:...:userpool/eu-west-1_abc`)."""
    return [entry.strip().rpartition("/")[2] for entry in text.split(",") if entry.strip()]
