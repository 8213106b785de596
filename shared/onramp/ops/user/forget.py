"""Erases a user, in an order in which nothing comes back.

    tombstone ─▶ providers, profile ─▶ record ─▶ once more ─▶ dead letters ─▶ UserForgotten

With the tombstone no message, sweep or sign-in brings them back once the record is gone. A worker that had read the
record before may still write a profile or ask a provider for a customer, until its time is over: so where one may be at
work, that time is waited out and everything looked at again. Repeating any of it does no harm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onramp.adapters.aws import condition_holds
from onramp.adapters.items import from_item
from onramp.domain.event_data import user_forgotten
from onramp.ops.tables.erasures import ErasureJournal, ErasureTarget
from onramp.ops.user.lookup import Row
from onramp.ops.user.providers import Erase, Traces
from onramp.usecases.signup import Publisher

WORKER_LIFETIME = 65_000  # milliseconds: EnrichProfile's timeout, and some for clocks


@dataclass(frozen=True, slots=True)
class Forget:
    """`erasers`: the providers to be asked. `drop_letters` deletes the dead letters about these subs."""

    client: Any
    users_table: str
    profiles_table: str
    journal: ErasureJournal
    erasers: Mapping[str, Erase]
    drop_letters: Callable[[Sequence[str]], int]
    publisher: Publisher
    clock: Callable[[], int]
    sleep: Callable[[float], None]

    def __call__(self, target: ErasureTarget, *, correlation_id: str, waiting: Callable[[float], None]) -> Counter[str]:
        """How many of what were erased. `waiting` is told the seconds that are waited for workers. Raises Trouble."""
        self.journal.open(target)
        forgotten_at = self.journal.bury(target.subs, self.clock())
        erased = self._erase(target)
        erased["record"] += self._delete_record(target)
        if (left := (self.clock() if target.busy else target.last_work) + WORKER_LIFETIME - self.clock()) > 0:
            waiting(left / 1000)
            self.sleep(left / 1000)
            erased += self._erase(target)
        erased["deadLetters"] += self.drop_letters(target.subs)
        for sub, at in forgotten_at.items():
            self.publisher.publish(user_forgotten(sub, target.pool, at=at, correlation_id=correlation_id))
            erased["announced"] += 1
        self.journal.close(target)
        return erased

    def _erase(self, target: ErasureTarget) -> Counter[str]:
        """Providers first: without the profile nobody would know their ids."""
        profiles = [row for sub in target.subs if (row := self._profile(sub))]
        traces = Traces(target.user_id, target.subs, profiles)
        erased = Counter({provider: erase(traces) for provider, erase in self.erasers.items()})
        for sub in target.subs:
            self.client.delete_item(TableName=self.profiles_table, Key={"userId": {"S": sub}})
        erased["profile"] = len(profiles)
        return erased

    def _profile(self, sub: str) -> Row | None:
        reply = self.client.get_item(TableName=self.profiles_table, Key={"userId": {"S": sub}}, ConsistentRead=True)
        return from_item(reply["Item"]) if "Item" in reply else None

    def _delete_record(self, target: ErasureTarget) -> int:
        """Only while it is theirs: an address may have a new owner by now."""
        if target.user_id is None:
            return 0
        linked = {"ConditionExpression": "cognitoSub = :sub", "ExpressionAttributeValues": {":sub": {"S": target.key}}}
        prepared = {"ConditionExpression": "attribute_exists(userId) AND attribute_not_exists(cognitoSub)"}
        return int(
            condition_holds(
                self.client.delete_item,
                TableName=self.users_table,
                Key={"userId": {"S": target.user_id}},
                **(linked if target.subs else prepared),
            )
        )
