"""Finds the users of a pool who have an e-mail address, in any spelling.

A pool that was created by API is case-sensitive for good, and a provider may send an address in any case: one address
may have several users. AWS does not document whether the filter `email = "..."` of ListUsers ignores case, so a search
for one spelling is not enough. The search therefore follows the spellings that exist, by prefix: where more users start
with a prefix than one page holds, it goes on with the next character in both cases.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from onramp.adapters.cognito import PAGE, UserPools
from onramp.domain.decision import Listed

EMAIL = "email"


class _FilterIgnoresCase(Exception):
    """The pool has returned a user with another spelling than the prefix."""


@dataclass(frozen=True, slots=True)
class AddressSearch:
    pools: UserPools
    pool_ids: tuple[str, ...]

    def find(self, email: str) -> list[Listed]:
        """The users of every pool whose address has the canonical form `email`, each once. Raises RetryableError."""
        found = {(pool, listed.user.sub): listed for pool in self.pool_ids for listed in self._find(pool, email)}
        return [listed for listed in found.values() if listed.user.email == email]

    def _find(self, pool: str, email: str) -> Iterator[Listed]:
        yield from self.pools.matching(pool, EMAIL, email)
        prefixes = _cases(email[0])
        try:
            while prefixes:
                prefix = prefixes.pop()
                if len(prefix) == len(email):
                    yield from self.pools.matching(pool, EMAIL, prefix)
                elif (found := self._starting_with(pool, prefix)) is not None:
                    yield from found
                else:
                    prefixes += [prefix + character for character in _cases(email[len(prefix)])]
        except _FilterIgnoresCase:
            return  # then the filter for the canonical form has found every spelling

    def _starting_with(self, pool: str, prefix: str) -> Iterable[Listed] | None:
        """None where they are too many for one page: a longer prefix follows."""
        page = self.pools.first_starting_with(pool, EMAIL, prefix)
        if any(not str(listed.user.attributes.get(EMAIL)).startswith(prefix) for listed in page.users):
            raise _FilterIgnoresCase
        if page.next_token is None:
            return page.users
        if len(page.users) < PAGE:  # a page may have few users without being the last
            return self.pools.starting_with(pool, EMAIL, prefix)
        return None


def _cases(character: str) -> list[str]:
    return list(dict.fromkeys((character.lower(), character.upper())))
