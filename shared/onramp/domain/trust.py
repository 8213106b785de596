"""Who vouches for an e-mail address, and what a signup may therefore claim (docs/architecture.md).

Cognito's CONFIRMED does not mean "verified": an admin's confirmation verifies nothing, and a federated provider may
claim any address. So the right to create a record and the right to link a pre-created one, with its roles, depend on
who vouches for the address, and on nothing else in the event.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onramp.domain.errors import ConfigurationError
from onramp.domain.identity import usable_name

NATIVE = "Cognito"
UNKNOWN = "unknown"
NOBODY = "nobody"
BUILT_IN = ("Google", "SignInWithApple")
_WITH_POOL = re.compile(r"([a-z]{2,}(?:-[a-z]+)+-\d+_[0-9A-Za-z]+)/(.+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Vouching:
    """Who vouches for the address of one identity, and what that allows."""

    identity_provider: str
    vouched_by: str
    may_create: bool
    may_link: bool


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """What the operator configured: trusted `(pool, provider, domain)`, pool and domain `*` for any.

    `allow_unverified`: users without a verified address get a default-role record.
    """

    trusted: frozenset[tuple[str, str, str]] = frozenset()
    allow_unverified: bool = False

    @classmethod
    def parse(cls, trusted: str, *, allow_unverified: bool) -> TrustPolicy:
        """Reads `Name@example.com,Other@*,eu-west-1_abc/Name@*`. Raises ConfigurationError for anything else."""
        entries = set()
        for entry in filter(None, (part.strip() for part in trusted.split(","))):
            provider, at, domain = entry.rpartition("@")
            pool, name = found.groups() if (found := _WITH_POOL.fullmatch(provider)) else ("*", provider)
            if not (name and at and domain):
                raise ConfigurationError(
                    f"TRUSTED_IDENTITY_PROVIDERS: '{entry}' is not 'Provider@domain' (or 'Provider@*' for any domain),"
                    " with 'pool-id/' before it where only one pool's provider is trusted"
                )
            entries.add((pool, name, domain.lower()))
        return cls(frozenset(entries), allow_unverified)

    def vouching(self, attributes: Mapping[str, Any], status: object, email: str, pool: str) -> Vouching:
        """The rights of one user by Cognito's attributes and status; `email` is already canonical.

        Of several identities the least trusted decides. The user name is never used: the user may choose it.
        """
        identities = _identities(attributes.get("identities"))
        if identities is None:
            return self._nobody(UNKNOWN)
        verified = _is_true(attributes.get("email_verified"))
        if status == "EXTERNAL_PROVIDER" or any(_is_primary(entry) for entry in identities):
            rights = [self._federated(entry, email, pool, verified=verified) for entry in identities]
            return min(rights, key=lambda v: (v.may_link, v.may_create), default=self._nobody(UNKNOWN))
        if status == "CONFIRMED" and verified:
            # A linked provider can sign this user in: one that is not trusted must not reach a pre-created record.
            linked = all(self._may_be_linked(entry, email, pool) for entry in identities)
            return Vouching(NATIVE, "cognito", may_create=True, may_link=linked)
        return self._nobody(NATIVE if status == "CONFIRMED" else UNKNOWN)

    def _may_be_linked(self, entry: Mapping[str, Any], email: str, pool: str) -> bool:
        return self._is_trusted(entry.get("providerName"), email, pool) or _is_built_in(entry)

    def _federated(self, entry: Mapping[str, Any], email: str, pool: str, *, verified: bool) -> Vouching:
        name = entry.get("providerName")
        provider = usable_name(name) or UNKNOWN
        if self._is_trusted(name, email, pool):
            return Vouching(provider, provider, may_create=True, may_link=True)
        if _is_built_in(entry):
            # Without an attribute mapping Cognito marks a Google or Apple address "false". The provider did
            # authenticate its user, so a default record is safe; a pre-created record needs the mark.
            return Vouching(provider, provider if verified else NOBODY, may_create=True, may_link=verified)
        return self._nobody(provider)

    def _is_trusted(self, name: object, email: str, pool: str) -> bool:
        domain = email.rpartition("@")[2]
        return isinstance(name, str) and any((p, name, d) in self.trusted for p in (pool, "*") for d in (domain, "*"))

    def _nobody(self, provider: str) -> Vouching:
        return Vouching(provider, NOBODY, may_create=self.allow_unverified, may_link=False)


def _is_built_in(entry: Mapping[str, Any]) -> bool:
    name = entry.get("providerName")
    return name in BUILT_IN and name == entry.get("providerType")


def _identities(value: object) -> list[Mapping[str, Any]] | None:
    """Cognito's `identities`: a JSON list in a string, empty or absent for a native user. None = unreadable."""
    if value is None or value == "":
        return []
    try:
        entries = json.loads(value) if isinstance(value, str) else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return None
    return entries


def _is_primary(entry: Mapping[str, Any]) -> bool:
    """False only for a clear "no": with any other value the user is treated as federated."""
    primary = entry.get("primary", False)
    return not (primary is False or primary == "false")


def _is_true(value: object) -> bool:
    """Cognito sends strings; its documentation also shows JSON booleans. `1` is neither."""
    return value is True or value == "true"
