"""Reads a profile row: a record per step, Stripe's intent, ids, and what a relinked record inherits.

Rows are plain values. Reading is lenient, for the pipeline and for the operator's commands: users and operators write
this table too, and one unreadable row must not stop the work on the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from onramp.adapters.items import from_item
from onramp.domain.event_data import usable_time
from onramp.domain.identity import usable_name
from onramp.domain.users import BROKEN_INTENT, EDITABLE, ID_OF_STEP, Intent, Profile, Status

PROVISIONING = "#provisioning"  # an alias: the name itself is one of DynamoDB's reserved words
INTENT = "stripeIntent"
SAME_INTENT = f"{PROVISIONING}.{INTENT}.epoch = :read AND {PROVISIONING}.{INTENT}.#key = :key"
NO_INTENT = f"attribute_not_exists({PROVISIONING}.{INTENT})"
Row = Mapping[str, Any]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9 else None


_Readers = Mapping[str, Callable[[object], object]]
_STEP: _Readers = {
    "state": _text,
    "attempts": _count,
    "errorCode": _text,
    "reason": _text,
    "at": usable_time,
    "codeVersion": _text,
}
_PROFILE: _Readers = {
    "provisioningStatus": _text,
    "createdAt": usable_time,
    **dict.fromkeys(ID_OF_STEP.values(), _text),
}


def profile_from(item: Mapping[str, Any]) -> Profile:
    """From a row as DynamoDB returns it."""
    row = from_item(item)
    proven, unproven = ids_of(row)
    return Profile(
        sub=row["userId"],
        status=_text(row.get("provisioningStatus")) or Status.PENDING,
        display_name=usable_name(row.get("displayName")),  # the user may have edited it
        stripe_customer_id=proven.get("stripeCustomerId"),
        revenue_cat_id=proven.get("revenueCatId"),
        intent=intent_of_row(row),
        steps=steps_of(row),
        unproven=unproven,
        created_at=usable_time(row.get("createdAt")),
        unreadable=tuple(_unreadable(row)),
    )


def _unreadable(row: Row) -> Iterator[str]:
    yield from _unusable(row, _PROFILE)
    if not isinstance(row.get("provisioning", {}), dict):
        yield "provisioning"
    for name, entry in provisioning_of(row).items():
        path = f"provisioning.{name}"
        if name == INTENT:
            if intent_of_row(row) is None:
                yield BROKEN_INTENT
        elif not _has_state(entry):
            yield path
        else:
            yield from (f"{path}.{key}" for key in _unusable(entry, _STEP))


def _unusable(values: Row, readers: _Readers) -> Iterator[str]:
    return (name for name, read in readers.items() if name in values and read(values[name]) is None)


def not_done(step: str) -> str:
    """The condition that a step is not finished; a step record that is no map has no state."""
    return f"(attribute_not_exists({PROVISIONING}.{step}.#state) OR {PROVISIONING}.{step}.#state <> :done)"


def provisioning_of(row: Row) -> dict[str, Any]:
    found = row.get("provisioning")
    return found if isinstance(found, dict) else {}


def steps_of(row: Row) -> dict[str, dict[str, Any]]:
    """The step records that have a state, each with those of its values that are usable."""
    return {
        name: {key: value for key, read in _STEP.items() if (value := read(record.get(key))) is not None}
        for name, record in provisioning_of(row).items()
        if name != INTENT and _has_state(record)
    }


def _has_state(record: object) -> bool:
    return isinstance(record, dict) and isinstance(record.get("state"), str)


def ids_of(row: Row) -> tuple[dict[str, str], dict[str, str]]:
    """Provider ids by attribute: those whose step is done, and the others."""
    steps = steps_of(row)
    ids = {name: row[name] for name in ID_OF_STEP.values() if isinstance(row.get(name), str)}
    proven = {name: ids.pop(name) for step, name in ID_OF_STEP.items() if name in ids and is_done(steps.get(step))}
    return proven, ids


def is_done(record: Row | None) -> bool:
    return record is not None and record.get("state") == "done"


def intent_of_row(row: Row) -> Intent | None:
    """None where there is none, or where it is incomplete."""
    stored = provisioning_of(row).get(INTENT)
    if not isinstance(stored, dict):
        return None
    match stored:
        case {"epoch": int(epoch), "key": str(key), "createdAt": at, "body": {"email": str(), "metadata": dict()}}:
            link, created_at = stored.get("link"), usable_time(at)
            if created_at is not None:
                return Intent(epoch, key, created_at, stored["body"], link if isinstance(link, int) else 0)
    return None


def intent_row(intent: Intent) -> dict[str, Any]:
    return {
        "epoch": intent.epoch,
        "key": intent.key,
        "createdAt": intent.created_at,
        "body": intent.body,
        "link": intent.link,
    }


@dataclass(frozen=True, slots=True)
class Inheritance:
    """One conditional update of the present sub's profile."""

    change: str
    condition: str
    names: dict[str, str]
    values: dict[str, Any]


def inheritance(own: Row, earlier: Sequence[Row], link: int) -> Inheritance | None:
    """What the present sub's profile takes over from those of the earlier subs; None where nothing is missing.

    `earlier`: the latest sub first. Ids and finished steps are taken only where absent. Of all intents the one with the
    latest (link, epoch) wins and is marked with `link`: an abandoned intent must never be posted beside another.
    """
    sets, conditions = {}, []
    names: dict[str, str] = {}
    values: dict[str, Any] = {}
    for name in EDITABLE:
        if (found := next((row[name] for row in earlier if name in row), None)) is not None and name not in own:
            sets[f"#{name}"], names[f"#{name}"], values[f":{name}"] = f"if_not_exists(#{name}, :{name})", name, found
    taken: dict[str, Any] = {}
    for step, attribute in ID_OF_STEP.items():
        source = next((row for row in earlier if is_done(steps_of(row).get(step))), None)
        if source is None or is_done(steps_of(own).get(step)):
            continue
        taken[step] = steps_of(source)[step]
        if attribute in (proven := ids_of(source)[0]):
            sets[attribute], values[f":{attribute}"] = f":{attribute}", proven[attribute]
    before = intent_of_row(own)
    intents = [found for found in (before, *map(intent_of_row, earlier)) if found]
    latest = max(intents, key=lambda intent: (intent.link, intent.epoch), default=None)
    if latest and not (latest is before and latest.link >= link):
        taken[INTENT] = intent_row(replace(latest, link=max(link, latest.link)))
    if not sets and not taken:
        return None
    names[PROVISIONING] = "provisioning"
    if provisioning_of(own):
        for place, (name, record) in enumerate(taken.items()):
            path = f"{PROVISIONING}.#t{place}"
            sets[path], names[f"#t{place}"], values[f":t{place}"] = f":t{place}", name, record
            if name == INTENT:
                conditions.append(SAME_INTENT if before else NO_INTENT)
            else:
                conditions.append(not_done(f"#t{place}"))
                names["#state"], values[":done"] = "state", "done"
        if INTENT in taken and before:
            names["#key"] = "key"
            values |= {":read": before.epoch, ":key": before.key}
    else:
        sets[PROVISIONING], values[":provisioning"] = ":provisioning", taken
        conditions.append(f"(attribute_not_exists({PROVISIONING}) OR {PROVISIONING} = :nothing)")
        values[":nothing"] = {}
    change = "SET " + ", ".join(f"{path} = {value}" for path, value in sets.items())
    return Inheritance(change, " AND ".join(conditions) or f"attribute_exists({PROVISIONING})", names, values)
