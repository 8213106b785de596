"""Values that the invariants of a moment receive: one write, one answer of the worker."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.fakes.attributes import Item


@dataclass(frozen=True)
class Write:
    """One change of an item; None: absent. `role` and `label` are those of the process that wrote."""

    table: str
    key: str
    old: Item | None
    new: Item | None
    role: str
    label: str

    def before(self, name: str) -> str | None:
        return text(self.old, name)

    def after(self, name: str) -> str | None:
        return text(self.new, name)

    @property
    def kind_before(self) -> str:
        """What was owed: `emit`, `enrich`, `operator`, or `` for nothing."""
        return (self.before("owed") or "").partition("#")[0]

    @property
    def kind_after(self) -> str:
        return (self.after("owed") or "").partition("#")[0]


@dataclass(frozen=True)
class Answer:
    """The message ids that the worker reported as failed, and those whose task raised."""

    failed: set[str]
    raised: set[str]


def text(item: Item | None, name: str) -> str | None:
    """A string or number attribute."""
    value = (item or {}).get(name, {})
    return value.get("S", value.get("N"))


def sub_in(body: str) -> str | None:
    try:
        return str(json.loads(body)["detail"]["data"]["cognitoSub"])
    except (ValueError, KeyError, TypeError):
        return None
