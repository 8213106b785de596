"""The Cognito users who match an address or a sub, each with the decision of the deployed rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from onramp.adapters.cognito import UserPools
from onramp.adapters.tombstones import Tombstones
from onramp.adapters.users import UserTable
from onramp.domain.decision import Decision, Facts, Listed, decide
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.deployed_rules import DeployedRules
from onramp.ops.common.next_steps import next_step
from onramp.ops.common.output import Output
from onramp.ops.common.reasons import reason_of
from onramp.ops.common.text import masked_text
from onramp.ops.user.lookup import UserIdentifier


@dataclass(frozen=True, slots=True)
class PoolMatch:
    """`decision`: what the trigger or the sweep would do with this user."""

    listed: Listed
    decision: Decision


@dataclass(frozen=True, slots=True)
class PoolMatches:
    pools: UserPools
    users: UserTable
    tombstones: Tombstones
    rules: DeployedRules

    def find(self, identifier: UserIdentifier, now: int) -> list[PoolMatch]:
        """In every pool of the stack. A pool may store an address as it was typed, so both spellings are searched."""
        if identifier.sub:
            filters = {("sub", identifier.sub)}
        else:
            filters = {("email", text) for text in (identifier.text, str(identifier.email))}
        users = {
            (pool, listed.user.sub): listed
            for pool in self.rules.pools
            for attribute, value in filters
            for listed in self.pools.matching(pool, attribute, value)
        }
        return [PoolMatch(listed, self._decide(listed, now)) for listed in users.values()]

    def _decide(self, listed: Listed, now: int) -> Decision:
        facts = Facts(self.users.get, self.users.holder_of, self.tombstones.is_forgotten)
        return decide(self.rules.admission, listed.user, facts, now)

    def pools_of(self, subs: Iterable[str]) -> dict[str, str]:
        """By sub, the pool that contains it; subs that no pool contains are left out."""
        return {sub: pool for sub in subs for pool in self.rules.pools if self.pools.matching(pool, "sub", sub)}


def match_data(match: PoolMatch, *, reveal: bool) -> dict[str, Any]:
    user, decision = match.listed.user, match.decision
    email, reason = str(user.attributes.get("email", "")), reason_of(decision.label, user.sub)
    return {
        "userPoolId": user.user_pool_id,
        "sub": user.sub,
        "email": email if reveal else masked_text(email),
        "status": user.status,
        "outcome": decision.label,
        "why": reason.why,
        "next": reason.cure,
    }


def report_no_record(
    context: OperatorContext, pool_matches: PoolMatches, identifier: UserIdentifier, *, reveal: bool
) -> int:
    """The result of `show` and `explain` for a user without a record. Returns how many users of the pools it shows."""
    data = no_record_data(pool_matches, identifier, context.now(), reveal=reveal)
    context.out.result(data, lambda: print_no_record(context.out, data))
    return len(data["cognito"])


def no_record_data(pool_matches: PoolMatches, identifier: UserIdentifier, now: int, *, reveal: bool) -> dict[str, Any]:
    return {
        "asked": identifier.label(reveal=reveal),
        "sub": identifier.sub,
        "record": None,
        "forgotten": identifier.sub is not None and pool_matches.tombstones.is_forgotten(identifier.sub),
        "cognito": [match_data(match, reveal=reveal) for match in pool_matches.find(identifier, now)],
    }


def print_no_record(out: Output, data: Mapping[str, Any]) -> None:
    out.line(f"{data['asked']} has no record.")
    if data["forgotten"]:
        out.line("The user was erased with `onramp user forget`: the pipeline does not create a record again.")
    if not data["cognito"]:
        out.line("The user is in no user pool of this stack.")
        out.facts({"next": next_step("user_nowhere", user=data["asked"] if data["sub"] else "EMAIL")})
    for match in data["cognito"]:
        out.line("")
        out.line(f"Found in Cognito: {match['why']}.")
        out.facts({name: match[name] for name in ("sub", "email", "userPoolId", "status", "outcome", "next")})
