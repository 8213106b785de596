"""Where somebody stands: provisioned, on the way, or waiting for a person; and the command that helps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from onramp.domain.event_data import rfc3339
from onramp.domain.users import Owed, Status, User
from onramp.ops.common.when import clock

LATE = 15 * 60_000  # the reconciler's alarm: three runs missed


class ProvisioningState(NamedTuple):
    """`state`: ready, prepared, waiting, operator or unsettled. Times in Unix milliseconds."""

    state: str
    why: str
    next: str
    since: int | None = None
    next_look: int | None = None

    @property
    def needs_somebody(self) -> bool:
        return self.state in ("operator", "unsettled")


def provisioning_state(
    user: User, status: str | None, steps: Mapping[str, Mapping[str, Any]], now: int
) -> ProvisioningState:
    if user.cognito_sub is None:
        return ProvisioningState(
            "prepared",
            "Nobody has signed up with this address yet.",
            "nothing: whoever proves to own it gets the record",
        )
    if user.owed and not user.is_linked:
        return _broken(user)
    if user.owes(Owed.OPERATOR):
        return _given_up(user, steps)
    if user.owes(Owed.EMIT):
        return _unheard(user, now)
    if user.owes(Owed.ENRICH):
        return _on_the_way(user, steps, now)
    if status == Status.READY:
        return ProvisioningState(Status.READY, "Provisioned: nothing is owed.", "nothing")
    at = user.linked_at or 0
    again = f"onramp replay --from-table --from {rfc3339(at)} --to {rfc3339(at + 1)}"
    return ProvisioningState(
        "unsettled", "Nothing is owed, and yet the profile is not ready: somebody changed a row by hand.", again
    )


def _broken(user: User) -> ProvisioningState:
    needed = {"userPoolId": user.user_pool_id, "linkedAt": user.linked_at}
    missing = " and ".join(name for name, value in needed.items() if value is None)
    return ProvisioningState(
        "unsettled",
        f"The record has no usable {missing}: it was changed by hand, and no event can tell of this user.",
        f"set {missing} with `aws dynamodb update-item` (a pool's id; Unix milliseconds); the rest goes on by itself",
        since=user.owed_since,
    )


def _given_up(user: User, steps: Mapping[str, Mapping[str, Any]]) -> ProvisioningState:
    name, record = _last(steps, "failed", "retrying")
    where = f"at {name} with {record.get('errorCode')}" if name else "before the first step"
    return ProvisioningState(
        "operator",
        f"Given up {where}: this waits for you, nothing tries again by itself.",
        f"mend the cause, then: onramp dlq redrive --user {user.cognito_sub}",
        since=record.get("at") or user.owed_since,
    )


def _unheard(user: User, now: int) -> ProvisioningState:
    late = user.due_at is not None and now - user.due_at > LATE
    helps = (
        "onramp doctor: the reconciler should have emitted it by now" if late else "nothing: the reconciler emits it"
    )
    return ProvisioningState(
        "waiting", "The worker has not begun: UserSignedUp is on its way, or the bus never took it.", helps,
        since=user.owed_since, next_look=user.due_at,
    )  # fmt: skip


def _on_the_way(user: User, steps: Mapping[str, Mapping[str, Any]], now: int) -> ProvisioningState:
    name, record = _last(steps, "retrying")
    code = str(record.get("errorCode", ""))
    where = f"Being tried again: {name} answered {code}." if name else "Queued for the worker."
    helps = "nothing: its message comes back by itself"
    if "key_rejected" in code or "secret" in code:
        helps = "onramp doctor, which names the key; once it works this goes on by itself"
    if user.due_at is not None:
        helps += f", and at {clock(user.due_at)} it is queued once more" if user.due_at > now else ""
    return ProvisioningState("waiting", where, helps, since=user.owed_since, next_look=user.due_at)


def _last(steps: Mapping[str, Mapping[str, Any]], *states: str) -> tuple[str | None, Mapping[str, Any]]:
    """The step in the first of these states that has one, the latest of them."""
    for state in states:
        if found := {name: record for name, record in steps.items() if record.get("state") == state}:
            name = max(found, key=lambda one: found[one].get("at", 0))
            return name, found[name]
    return None, {}
