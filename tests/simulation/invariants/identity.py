"""Identity and authorization: who may have a record, and what pipeline and admins may write into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.pipeline import USERS
from tests.simulation.invariants.registry import holds

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation
    from tests.simulation.writes import Write

DEFAULT_ROLES = {"L": [{"S": "team_member"}]}
RECORD_ATTRIBUTES = (
    "cognitoSub",
    "userPoolId",
    "roles",
    "onboarding",
    "createdAt",
    "linkedAt",
    "owed",
    "owedSince",
    "dueAt",
)


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
    if old and new != old and (write.key, new) not in sim.observed.relinked:
        return f"{write.label} replaced {old} by {new} on {write.key}"
    if new and len(holders := sim.observed.holders[new]) > 1:
        return f"{new} is on {sorted(holders)}"
    return None


@holds("written")
def claimed_only_as_trusted(sim: Simulation, write: Write) -> str | None:
    """A record is created, or linked after an admin pre-created it, only as the trust table allows."""
    sub = write.after("cognitoSub") if write.table == USERS else None
    if not sub or write.before("cognitoSub") or write.role not in ("trigger", "reconcile"):
        return None
    person = sim.observed.confirmed[sub]
    allowed = person.may_link if write.old else person.may_create
    return None if allowed else f"{write.label} gave {write.key} to {person.name}, {person.trust}"


@holds("written")
def roles_from_admins_or_default(sim: Simulation, write: Write) -> str | None:
    """Roles come from an admin, or are exactly the default."""
    if write.table != USERS or write.new is None:
        return None
    roles = write.new.get("roles")
    if roles is None or roles == DEFAULT_ROLES or roles in sim.observed.admin_roles[write.key]:
        return None
    return f"{write.label} gave {write.key} {roles}"


@holds("written")
def admin_fields_untouched(sim: Simulation, write: Write) -> str | None:
    """A value that an admin set is never changed by the pipeline."""
    if write.table != USERS or write.new is None:
        return None
    for name, value in sim.observed.admin_values[write.key].items():
        if write.new.get(name) != value:
            return f"{write.label} replaced the admin's {name} {value} by {write.new.get(name)} on {write.key}"
    return None


@holds("written")
def no_half_records(sim: Simulation, write: Write) -> str | None:
    """The pipeline creates complete records only."""
    if write.table == USERS and write.old is None and write.new and write.role != "admin":
        missing = [name for name in RECORD_ATTRIBUTES if name not in write.new]
        return f"{write.label} created {write.key} without {missing}" if missing else None
    return None
