"""What is owed: which transitions may happen, and what must be true before one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.pipeline import PROFILES, USERS
from tests.simulation.invariants.registry import holds

if TYPE_CHECKING:
    from tests.simulation.scheduler import Process
    from tests.simulation.simulation import Simulation
    from tests.simulation.writes import Write

DAY, CLOCK_TOLERANCE = 86_400.0, 900.0
FINAL_REASON = re.compile(
    r"unknown_user|linked_to_another_sub|malformed_event|unsupported_schema_version|(stripe|revenuecat)_refused_4(?!01|03|08|09|23|29)\d\d"
)
TRANSITIONS = {("emit", "enrich"), ("emit", "operator"), ("enrich", "operator"), ("operator", "enrich")}
"""(before, after) between two values; `_may_move` adds which role may do it."""


@holds("written")
def owed_moves_by_protocol(sim: Simulation, write: Write) -> str | None:
    """What is owed moves only as the protocol allows: it never returns to a provisioned user, and owedSince never
    changes."""
    if write.table != USERS or write.new is None or write.old is None:
        return None
    relinked = write.before("cognitoSub") != write.after("cognitoSub")
    move = f"{write.label}: {write.kind_before or 'nothing'} -> {write.kind_after or 'nothing'} on {write.key}"
    if write.role == "admin":
        touched = any(write.before(name) != write.after(name) for name in ("owed", "owedSince", "dueAt"))
        return move if relinked or touched else None
    if relinked:
        return None if write.kind_after == "emit" else move
    if write.kind_before and write.kind_after and write.before("owedSince") != write.after("owedSince"):
        return f"{move}: owedSince changed"
    return None if _may_move(write) else move


def _may_move(write: Write) -> bool:
    before, after = write.kind_before, write.kind_after
    if after == "" or before == after:
        return before == after or write.role == "worker"
    if write.label.startswith("restore"):
        return after == "enrich"
    return (before, after) in TRANSITIONS and (before != "operator" or write.role in ("reconcile", "operator"))


@holds("written")
def settled_only_when_ready(sim: Simulation, write: Write) -> str | None:
    """Confirmed users = ready + owed + refused + not yet swept, at every write: a record that owes nothing is ready."""
    subs = {write.after("cognitoSub")} if write.table == USERS else {write.key}
    for sub in filter(None, subs):
        for key in sim.observed.holders[sub]:
            if "owed" not in sim.item(USERS, key) and sim.text(PROFILES, sub, "provisioningStatus") != "ready":
                return f"{write.label}: {key} owes nothing and is not ready"
    return None


@holds("written")
def operator_gets_a_reason(sim: Simulation, write: Write) -> str | None:
    """A record that owes `operator` has a status, and a dead letter with its reason."""
    if write.table != USERS or write.kind_after != "operator" or write.kind_before == "operator":
        return None
    sub = write.after("cognitoSub") or ""
    if sim.text(PROFILES, sub, "provisioningStatus") not in ("failed", "ready"):
        return f"{write.label}: {write.key} without a status"
    has_reason = any(dead_letter.get("reason") for dead_letter in sim.observed.dead_letters[sub])
    return None if has_reason else f"{write.label}: {write.key} without a dead letter"


@holds("acknowledged")
def given_up_reaches_operator(sim: Simulation, record: Mapping[str, Any], sub: str, worker: Process) -> str | None:
    """A user whose message a worker gave up owes `operator`, unless another worker has made the user ready."""
    dead_letter = sim.observed.dead_letters_by_process.get((worker.label, record["body"]), {})
    refused = f"{dead_letter.get('step')}_refused" in dead_letter.get("reason", "")
    if not refused or not sim.observed.holders[sub]:
        return None
    if sub in sim.observed.handed_to_operator | sim.observed.ready:
        return None
    return f"{sub} was given up and never owed to the operator"


@holds("provisioned")
def provisioned_owes_nothing(sim: Simulation, sub: str) -> str | None:
    """A user who is reported provisioned owes nothing at that moment."""
    owing = [key for key in sim.observed.holders[sub] if "owed" in sim.item(USERS, key)]
    return f"{owing} owes {sim.text(USERS, owing[0], 'owed')}" if owing else None


@holds("dead_lettered")
def only_refusals_are_final(sim: Simulation, attributes: Mapping[str, str], worker: bool) -> str | None:
    """A message is given up only where a retry cannot help, or after its last receive."""
    reason = attributes.get("reason", "")
    last = reason == "retries_exhausted" and int(attributes["attempts"]) >= int(sim.settings["MAX_RECEIVE_COUNT"])
    if not worker or last or FINAL_REASON.fullmatch(reason):
        return None
    return f"given up as {attributes}"


@holds("queued")
def queued_once_a_day(sim: Simulation, sub: str, process: Process) -> str | None:
    """The reconciler queues one user again at most once a day, by its own clock."""
    now = sim.clock() + process.skew
    earlier, at = sim.observed.last_queued.get(sub, (process, 0.0))
    sim.observed.last_queued[sub] = process, now
    if earlier is not process and now - at < DAY - CLOCK_TOLERANCE:
        return f"{process.label} queued {sub} {(now - at) / 3600:.1f} h after {earlier.label}"
    return None
