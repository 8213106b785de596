"""What a backfill found or did, as data and for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onramp.domain.decision import Kind, kind_of
from onramp.ops.backfill.refusals import is_refusal
from onramp.ops.common.output import Output
from onramp.ops.common.reasons import reason_of

FIRST = (Kind.CREATE, Kind.LINK, Kind.HAS_RECORD)


def report(pools: Sequence[str], found: Mapping[str, int], *, applied: bool, not_taken: int) -> dict[str, Any]:
    """The same for the same pool, whenever it is asked: nothing in it tells one run from another."""
    known = {outcome.value: found.get(outcome, 0) for outcome in FIRST}
    others = {outcome: found[outcome] for outcome in sorted(found) if outcome not in known and found[outcome]}
    return {
        "applied": applied,
        "pools": list(pools),
        "users": sum(found.values()),
        "found": known | others,
        "refused": sum(count for outcome, count in others.items() if is_refusal(outcome)),
        "skipped": sum(count for outcome, count in others.items() if kind_of(outcome) is Kind.NOT_CONFIRMED),
        "eventsLeftToTheReconciler": not_taken,
    }


def show(out: Output, data: Mapping[str, Any]) -> None:
    done: dict[str, str] = {Kind.CREATE: "created", Kind.LINK: "linked"} if data["applied"] else {}
    rows = [(done.get(outcome, outcome), f"{count:,}", _why(outcome)) for outcome, count in data["found"].items()]
    title = "brought in" if data["applied"] else "dry run: nothing was written"
    out.table(["outcome", "users", "why"], [*rows, ("in all", f"{data['users']:,}", "")], title=title)
    if data["eventsLeftToTheReconciler"]:
        out.line(f"The bus did not take {data['eventsLeftToTheReconciler']:,} events: the reconciler emits them.")


def _why(outcome: str) -> str:
    return "" if outcome in FIRST else reason_of(outcome).why
