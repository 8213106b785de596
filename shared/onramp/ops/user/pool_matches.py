"""Somebody without a record: does Cognito know them, and what does the trigger say of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onramp.adapters.cognito import UserPools
from onramp.adapters.tombstones import Tombstones
from onramp.adapters.users import UserTable
from onramp.domain.decision import Decision, Facts, Kind, Listed, decide
from onramp.ops.common.deployed_rules import DeployedRules
from onramp.ops.common.output import Output
from onramp.ops.common.reasons import reason_of
from onramp.ops.common.text import masked, masked_email
from onramp.ops.user.lookup import UserIdentifier


@dataclass(frozen=True, slots=True)
class PoolMatch:
    """One Cognito user who may be meant, judged by the deployed rules."""

    listed: Listed
    decision: Decision


@dataclass(frozen=True, slots=True)
class PoolMatches:
    pools: UserPools
    users: UserTable
    tombstones: Tombstones
    rules: DeployedRules

    def find(self, name: UserIdentifier, now: int) -> list[PoolMatch]:
        """In every pool of the stack. An address may stand there in other letters than ours."""
        asked = [("sub", name.sub)] if name.sub else [("email", text) for text in {name.text, str(name.email)}]
        found = {
            (pool, listed.user.sub): listed
            for pool in self.rules.pools
            for attribute, value in asked
            for listed in self.pools.matching(pool, attribute, str(value))
        }
        return [PoolMatch(listed, self._decide(listed, now)) for listed in found.values()]

    def _decide(self, listed: Listed, now: int) -> Decision:
        facts = Facts(self.users.get, self.users.holder_of, self.tombstones.is_forgotten)
        return decide(self.rules.admission, listed.user, facts, now)


def matches_data(name: UserIdentifier, strangers: list[PoolMatch], *, forgotten: bool, reveal: bool) -> dict[str, Any]:
    return {
        "asked": name.shown(reveal=reveal),
        "record": None,
        "forgotten": forgotten,
        "cognito": [_data(stranger, reveal=reveal) for stranger in strangers],
    }


def with_others(data: Mapping[str, Any], others: list[PoolMatch], *, reveal: bool) -> dict[str, Any]:
    """Who else has this address in Cognito, added to what is told of its record."""
    waiting = any(stranger.decision.kind is not Kind.NOT_CONFIRMED for stranger in others)
    return {
        "others": [_data(stranger, reveal=reveal) for stranger in others],
        "needsSomebody": data["needsSomebody"] or waiting,
    }


def _data(stranger: PoolMatch, *, reveal: bool) -> dict[str, Any]:
    person, decision = stranger.listed.user, stranger.decision
    email, reason = str(person.attributes.get("email", "")), reason_of(decision.label)
    return {
        "userPoolId": person.user_pool_id,
        "sub": person.sub,
        "email": email if reveal else masked_email(email) if "@" in email else masked(email),
        "status": person.status,
        "outcome": decision.label,
        "why": reason.why,
        "next": reason.cure.replace("SUB", person.sub or "SUB"),
    }


def show_matches(out: Output, data: Mapping[str, Any]) -> None:
    out.line(f"{data['asked']} has no record.")
    if data["forgotten"]:
        out.line("They were erased with `onramp user forget`: nothing brings them back.")
    if not data["cognito"]:
        out.line("No pool of this stack knows them either.")
    for found in data["cognito"]:
        out.line("")
        out.line(f"Cognito knows them: {found['why']}.")
        out.facts({name: found[name] for name in ("sub", "email", "userPoolId", "status", "outcome", "next")})
