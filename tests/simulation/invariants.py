"""What must hold, each with its sentence: the promises of the design, as a run can see them.

Those of a moment are asked whenever it comes (a write, an event, an acknowledgement); the others when everything has
come to rest, the faults being over. A check returns what is wrong, or nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tests.pipeline import OPERATIONS, PROFILES, USERS

if TYPE_CHECKING:
    from tests.simulation.history import Answer, Write
    from tests.simulation.scheduler import Process
    from tests.simulation.simulation import Simulation

Moment = Literal[
    "written",
    "published",
    "answered",
    "raised",
    "acknowledged",
    "lettered",
    "provisioned",
    "customer",
    "queued",
    "rest",
    "redriven",
    "replayed",
]
Check = Callable[..., str | None]
DEFAULT_ROLES = {"L": [{"S": "team_member"}]}
PROVIDER_IDS = ("stripeCustomerId", "revenueCatId")
DAY, SLACK = 86_400.0, 900.0
FINAL = re.compile(
    r"unknown_user|linked_to_another_sub|malformed_event|unsupported_schema_version|(stripe|revenuecat)_refused_4(?!01|03|08|09|23|29)\d\d"
)
OF_A_RECORD = ("cognitoSub", "userPoolId", "roles", "onboarding", "createdAt", "linkedAt", "owed", "owedSince", "dueAt")
# (before, after): what is owed may only move so; by whom, stands in the check.
MOVES = {("emit", "enrich"), ("emit", "operator"), ("enrich", "operator"), ("operator", "enrich")}


@dataclass(frozen=True)
class Invariant:
    name: str
    sentence: str
    check: Check


ALL: dict[Moment, list[Invariant]] = {}


def holds(*moments: Moment) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        for moment in moments:
            sentence = " ".join((check.__doc__ or "").split())
            ALL.setdefault(moment, []).append(Invariant(check.__name__, sentence, check))
        return check

    return register


# -- identity and authorization --------------------------------------------------------------------


@holds("written")
def one_record_per_address(sim: Simulation, write: Write) -> str | None:
    """One record per canonical e-mail."""
    if write.table == USERS and write.new and not (write.key.isascii() and write.key == write.key.lower()):
        return f"{write.key} is not canonical"
    return None


@holds("written")
def sub_set_once(sim: Simulation, write: Write) -> str | None:
    """A sub is set once, on at most one record; only a relink replaces it."""
    if write.table != USERS or write.new is None:
        return None
    old, new = write.before("cognitoSub"), write.after("cognitoSub")
    if old and new != old and (write.key, new) not in sim.history.relinked:
        return f"{write.label} made {new} of {old} on {write.key}"
    if new and len(holders := sim.history.holders[new]) > 1:
        return f"{new} is on {sorted(holders)}"
    return None


@holds("written")
def claimed_by_whom_may(sim: Simulation, write: Write) -> str | None:
    """A record is made, or taken over from an admin, only by whom the trust table lets."""
    sub = write.after("cognitoSub") if write.table == USERS else None
    if not sub or write.before("cognitoSub") or write.role not in ("trigger", "reconcile"):
        return None
    person = sim.history.confirmed[sub]
    allowed = person.may_link if write.old else person.may_create
    return None if allowed else f"{write.label} gave {write.key} to {person.name}, {person.trust}"


@holds("written")
def roles_from_admins_or_default(sim: Simulation, write: Write) -> str | None:
    """Roles come from an admin, or are exactly the default."""
    if write.table != USERS or write.new is None:
        return None
    roles = write.new.get("roles")
    if roles is None or roles == DEFAULT_ROLES or roles in sim.history.roles_given[write.key]:
        return None
    return f"{write.label} gave {write.key} {roles}"


@holds("written")
def admin_fields_untouched(sim: Simulation, write: Write) -> str | None:
    """What an admin set stays byte for byte."""
    if write.table != USERS or write.new is None:
        return None
    for name, value in sim.history.by_admin[write.key].items():
        if write.new.get(name) != value:
            return f"{write.label} made {write.new.get(name)} of the admin's {name} {value} on {write.key}"
    return None


@holds("written")
def no_half_records(sim: Simulation, write: Write) -> str | None:
    """The pipeline makes whole records only."""
    if write.table == USERS and write.old is None and write.new and write.role != "admin":
        missing = [name for name in OF_A_RECORD if name not in write.new]
        return f"{write.label} made {write.key} without {missing}" if missing else None
    return None


# -- what is owed ----------------------------------------------------------------------------------


@holds("written")
def debts_move_by_the_table(sim: Simulation, write: Write) -> str | None:
    """What is owed moves only as the protocol says: it never comes back on a provisioned user, and since when it is
    owed never changes."""
    if write.table != USERS or write.new is None or write.old is None:
        return None
    relinked = write.before("cognitoSub") != write.after("cognitoSub")
    here = f"{write.label}: {write.kind_before or 'nothing'} -> {write.kind_after or 'nothing'} on {write.key}"
    if write.role == "admin":
        touched = any(write.before(name) != write.after(name) for name in ("owed", "owedSince", "dueAt"))
        return here if relinked or touched else None
    if relinked:
        return None if write.kind_after == "emit" else here
    if write.kind_before and write.kind_after and write.before("owedSince") != write.after("owedSince"):
        return f"{here}: owedSince moved"
    return None if _may_move(write) else here


def _may_move(write: Write) -> bool:
    before, after = write.kind_before, write.kind_after
    if after == "" or before == after:
        return before == after or write.role == "worker"
    if write.label.startswith("restore"):
        return after == "enrich"
    return (before, after) in MOVES and (before != "operator" or write.role in ("reconcile", "operator"))


@holds("written")
def nobody_uncounted(sim: Simulation, write: Write) -> str | None:
    """Confirmed users = ready + owed + refused + not yet swept, at every write: whose record owes nothing is ready."""
    subs = {write.after("cognitoSub")} if write.table == USERS else {write.key}
    for sub in filter(None, subs):
        for key in sim.history.holders[sub]:
            if "owed" not in sim.item(USERS, key) and sim.text(PROFILES, sub, "provisioningStatus") != "ready":
                return f"{write.label}: {key} owes nothing and is not ready"
    return None


@holds("written")
def operator_sees_why(sim: Simulation, write: Write) -> str | None:
    """What is owed to the operator has a status and a dead letter with its reason."""
    if write.table != USERS or write.kind_after != "operator" or write.kind_before == "operator":
        return None
    sub = write.after("cognitoSub") or ""
    if sim.text(PROFILES, sub, "provisioningStatus") not in ("failed", "ready"):
        return f"{write.label}: {write.key} without a status"
    letters = sim.history.letters[sub]
    return None if any(letter.get("reason") for letter in letters) else f"{write.label}: {write.key} without a letter"


@holds("acknowledged")
def given_up_is_shown(sim: Simulation, body: str, sub: str, worker: Process) -> str | None:
    """Whom a worker gave up for good was shown to the operator, unless somebody else has finished them."""
    latest = sim.history.written_by.get((worker.label, body), {})
    refused = f"{latest.get('step')}_refused" in latest.get("reason", "")
    if not refused or not sim.history.holders[sub] or sub in sim.history.shown | sim.history.ready:
        return None
    return f"{sub} was given up and not shown"


@holds("provisioned")
def provisioned_owes_nothing(sim: Simulation, sub: str) -> str | None:
    """Who is reported provisioned owes nothing at that moment."""
    owing = [key for key in sim.history.holders[sub] if "owed" in sim.item(USERS, key)]
    return f"{owing} owes {sim.text(USERS, owing[0], 'owed')}" if owing else None


@holds("lettered")
def only_refusals_are_final(sim: Simulation, attributes: Mapping[str, str], worker: bool) -> str | None:
    """A message is given up only where trying again cannot help, or after its last receive."""
    reason = attributes.get("reason", "")
    last = reason == "retries_exhausted" and int(attributes["attempts"]) >= int(sim.settings["MAX_RECEIVE_COUNT"])
    if not worker or last or FINAL.fullmatch(reason):
        return None
    return f"given up as {attributes}"


@holds("queued")
def queued_once_a_day(sim: Simulation, sub: str, process: Process) -> str | None:
    """The reconciler queues one user again at most once a day, by its own clock."""
    now = sim.clock() + process.skew
    earlier, at = sim.history.queued.get(sub, (process, 0.0))
    sim.history.queued[sub] = process, now
    if earlier is not process and now - at < DAY - SLACK:
        return f"{process.label} queued {sub} {(now - at) / 3600:.1f} h after {earlier.label}"
    return None


# -- profiles and providers ------------------------------------------------------------------------


@holds("written")
def ready_stays_ready(sim: Simulation, write: Write) -> str | None:
    """A profile's status never goes backwards."""
    if write.table == PROFILES and write.new and write.before("provisioningStatus") == "ready":
        status = write.after("provisioningStatus")
        return f"{write.label} made {status} of ready" if status != "ready" else None
    return None


@holds("written")
def users_edits_survive(sim: Simulation, write: Write) -> str | None:
    """What a user edited stays."""
    mine = sim.history.by_user.get(write.key)
    if write.table == PROFILES and write.new and mine and write.after("displayName") != mine:
        return f"{write.label} made {write.after('displayName')} of the user's own {mine}"
    return None


@holds("written")
def provider_ids_written_once(sim: Simulation, write: Write) -> str | None:
    """A provider's id is written once."""
    for name in PROVIDER_IDS if write.table == PROFILES and write.new else ():
        if (old := write.before(name)) and write.after(name) != old:
            return f"{write.label} made {write.after(name)} of {name} {old}"
    return None


@holds("written")
def stripe_ids_are_ours(sim: Simulation, write: Write) -> str | None:
    """A worker stores the id of a customer that is this user's own, never one of the same address only."""
    found = write.after("stripeCustomerId") if write.table == PROFILES else None
    if not found or write.role != "worker" or found == write.before("stripeCustomerId"):
        return None
    owner = sim.history.owners.get(found)
    return f"{write.label} stored {found} of {owner} for {write.key}" if owner != write.key else None


@holds("customer")
def one_stripe_customer(sim: Simulation, who: tuple[str, str]) -> str | None:
    """At most one Stripe customer per (pool, sub), ever."""
    return f"{sim.history.customers[who]} customers of {who}" if sim.history.customers[who] > 1 else None


# -- events and messages ---------------------------------------------------------------------------


@holds("published")
def no_event_without_its_cause(sim: Simulation, envelope: Mapping[str, Any]) -> str | None:
    """No UserSignedUp without a record, no UserProvisioned without a ready profile; one eventId per user and kind,
    for ever."""
    kind, data = envelope["detail-type"], envelope["detail"]["data"]
    sub = data["cognitoSub"]
    if kind == "UserSignedUp" and (data["userId"], sub) not in sim.history.linked:
        return f"UserSignedUp of {data['userId']} before its record"
    if kind == "UserProvisioned" and sub not in sim.history.ready:
        return f"UserProvisioned of {sub} before ready"
    ids = sim.history.event_ids[f"{kind} of {sub}"]
    ids.add(envelope["detail"]["metadata"]["eventId"])
    return f"{kind} of {sub} under {len(ids)} ids" if len(ids) > 1 and kind != "UserProvisioningFailed" else None


@holds("answered", "raised")
def poison_fails_alone(sim: Simulation, answer: Answer | Exception) -> str | None:
    """A message that fails fails alone: the worker answers every batch, and names exactly what it could not do."""
    if isinstance(answer, Exception):
        return f"the worker raised {answer!r}"
    return None if answer.failed == answer.raised else f"named {answer.failed}, failed {answer.raised}"


@holds("acknowledged")
def acknowledged_only_after_durable(sim: Simulation, body: str, sub: str, worker: Process) -> str | None:
    """A message is acknowledged only when its user is ready or it is a dead letter."""
    return None if sub in sim.history.ready or body in sim.history.lettered else f"{sub or body[:40]} is neither"


# -- at rest ---------------------------------------------------------------------------------------


@holds("rest")
def everybody_ends(sim: Simulation) -> str | None:
    """Every confirmed user ends ready, or shown to the operator, or refused for a reason."""
    for sub, person in sim.history.confirmed.items():
        keys = sim.history.holders[sub]
        if not keys and not sim.is_refused(person):
            return f"{person.name} has no record"
        for key in keys:
            if sim.text(USERS, key, "owed").startswith(("emit", "enrich")):
                return f"{person.name} still owes {sim.text(USERS, key, 'owed')}"
            if "owed" in sim.item(USERS, key) and sim.text(PROFILES, sub, "provisioningStatus") == "ready":
                return f"{person.name} is ready and shown to the operator all the same"
    return None


@holds("rest")
def gauges_tell_the_truth(sim: Simulation) -> str | None:
    """What the reconciler says is owed and refused is what the tables and the pool hold."""
    owed = [sim.text(USERS, key, "owed") for (key,) in sim.dynamodb.tables[USERS].items]
    truth = {f"Owed{kind.title()}": sum(o.startswith(kind) for o in owed) for kind in ("emit", "enrich", "operator")}
    truth["RefusedInPool"] = sum(sim.is_refused(person) for person in sim.history.confirmed.values())
    said = {name: sim.gauge(name) for name in truth}
    return None if said == truth else f"said {said}, is {truth}"


@holds("rest")
def both_news_are_heard(sim: Simulation) -> str | None:
    """Of every provisioned user the other teams have heard UserSignedUp and UserProvisioned."""
    for sub, keys in sim.history.holders.items():
        for kind in ("UserSignedUp", "UserProvisioned"):
            if any("owed" not in sim.item(USERS, key) for key in keys) and not sim.history.heard[kind, sub]:
                return f"nobody heard {kind} of {sub}"
    return None


@holds("rest")
def emissions_bounded(sim: Simulation) -> str | None:
    """UserSignedUp is emitted at most 1 + overlapping reconcilers + faults times (a repeated call of Cognito's and a
    deleted record count as faults)."""
    everything = sim.lambdas.reconcilers + len(sim.weather.struck) + sim.lambdas.deaths
    for sub in sim.history.confirmed:
        bound = max(1, sim.history.triggers[sub]) + sim.history.deleted[sub] + everything
        if (number := sim.history.heard["UserSignedUp", sub]) > bound:
            return f"{number} emissions of {sub}, at most {bound}"
    return None


@holds("rest")
def nothing_tainted(sim: Simulation) -> str | None:
    """Nothing from `custom:*`, `clientMetadata` or unknown keys reaches a table, an event, a provider or a log."""
    letters = [message.attributes for message in sim.sqs.messages("ProvisioningDlq")]
    calls = [call.body for provider in (sim.stripe, sim.revenuecat) for call in provider.calls]
    tables = [sim.dynamodb.tables[name].items for name in (USERS, PROFILES, OPERATIONS)]
    sinks = {"tables": tables, "events": sim.events.events, "providers": calls, "letters": letters}
    sinks |= {"log": sim.log.getvalue(), "what users are told": sim.history.exceptions}
    return next((f"in {name}" for name, sink in sinks.items() if "canary" in repr(sink)), None)


@holds("redriven")
def redrives_repair(sim: Simulation) -> str | None:
    """What was shown to the operator is ready after a redrive, once the cause is gone."""
    for sub, keys in sim.history.holders.items():
        for key in keys:
            if "owed" in sim.item(USERS, key) or sim.text(PROFILES, sub, "provisioningStatus") != "ready":
                return f"{key} owes {sim.text(USERS, key, 'owed') or 'nothing'}"
    return None


@holds("replayed")
def replays_cost_nothing(sim: Simulation, before: list[int], after: list[int]) -> str | None:
    """A replay storm over ready users calls no provider, writes nothing and publishes nothing."""
    return None if before == after else f"{before} calls, writes and events became {after}"
