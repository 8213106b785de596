"""Which triggers of a pool are to name our function: at attaching, and no longer at detaching."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onramp.adapters.items import from_item, to_values
from onramp.ops.common.errors import UsageError

CONFIRMATION, SIGN_IN = "PostConfirmation", "PostAuthentication"
OURS = (CONFIRMATION, SIGN_IN)


@dataclass(frozen=True, slots=True)
class TriggerPlan:
    """`alias` is the ARN that a pool is to name: the trigger's alias `live`."""

    alias: str

    def attached(self, triggers: Mapping[str, Any], *, heal_on_sign_in: bool, replace: bool) -> dict[str, Any]:
        """The triggers with ours among them. Raises DeskError where another function would have to go."""
        wanted = OURS if heal_on_sign_in else (CONFIRMATION,)
        if not replace and (others := {name: arn for name in wanted if (arn := self.foreign(triggers, name))}):
            name, arn = next(iter(others.items()))
            raise UsageError(
                f"the pool's {name} trigger is another function: {arn}. A pool has one of each: let that function call"
                " ours, or give it up with --replace (detach puts it back)."
            )
        return {**triggers, **dict.fromkeys(wanted, self.alias)}

    def detached(self, triggers: Mapping[str, Any], replaced: Mapping[str, str]) -> dict[str, Any]:
        """The triggers without ours, and with what we had replaced."""
        kept = {name: value for name, value in triggers.items() if name not in OURS or self.foreign(triggers, name)}
        back = {name: arn for name, arn in replaced.items() if name in OURS and name not in kept}
        return {**kept, **back}

    def replaced(self, triggers: Mapping[str, Any], earlier: Mapping[str, str]) -> dict[str, str]:
        """Whom attaching replaces in these triggers; where ours stands already, whom it replaced `earlier`."""
        ours = {name for name in OURS if triggers.get(name) and not self.foreign(triggers, name)}
        found = {name: arn for name in OURS if (arn := self.foreign(triggers, name))}
        return {name: arn for name, arn in earlier.items() if name in ours} | found

    def foreign(self, triggers: Mapping[str, Any], name: str) -> str | None:
        """The function of somebody else behind a trigger; another version of ours is ours."""
        arn = triggers.get(name)
        function = self.alias.rpartition(":")[0]
        return str(arn) if arn and str(arn) != function and not str(arn).startswith(f"{function}:") else None


@dataclass(frozen=True, slots=True)
class ReplacedTriggers:
    """What attaching replaced, in `Operations` (`ATTACHED#pool`), so that detaching can put it back."""

    client: Any
    table: str

    def load(self, pool: str) -> dict[str, str]:
        reply = self.client.get_item(TableName=self.table, Key=_key(pool), ConsistentRead=True)
        return dict(from_item(reply.get("Item", {})).get("replaced", {}))

    def save(self, pool: str, replaced: Mapping[str, str]) -> None:
        """Before the pool is changed."""
        row = to_values({"replaced": dict(replaced)})
        self.client.put_item(TableName=self.table, Item={**_key(pool), **row})

    def forget(self, pool: str) -> None:
        self.client.delete_item(TableName=self.table, Key=_key(pool))


def _key(pool: str) -> dict[str, Any]:
    return {"pk": {"S": "ATTACHED#pool"}, "sk": {"S": pool}}
