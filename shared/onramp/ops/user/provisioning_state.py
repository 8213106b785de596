"""The state of a user's provisioning: ready, prepared, waiting, operator or unsettled, and the command to run next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from onramp.domain.event_data import rfc3339, usable_time
from onramp.domain.users import Owed, Profile, Status, User
from onramp.ops.common.next_steps import next_step
from onramp.ops.common.when import format_time

LATE = 15 * 60_000  # milliseconds after dueAt: three runs of the reconciler, as its alarm has it

Steps = Mapping[str, Mapping[str, Any]]
"""Step records by name, as the profile has them."""


class ProvisioningState(NamedTuple):
    """`next`: the command to run, or `nothing` and the reason. Times in Unix milliseconds.

    prepared   an administrator created the record, no user has signed up with the address yet
    waiting    the pipeline continues by itself
    operator   the pipeline has stopped, and the record is owed to the operator
    unsettled  a row was edited by hand, and no part of the pipeline will find it
    """

    state: str
    why: str
    next: str
    since: int | None = None
    due_at: int | None = None

    @property
    def needs_operator(self) -> bool:
        return self.state in ("operator", "unsettled")


def provisioning_state(user: User, profile: Profile | None, now: int) -> ProvisioningState:
    steps: Steps = profile.steps if profile else {}
    user = replace(user, due_at=usable_time(user.due_at))
    if user.cognito_sub is None:
        return ProvisioningState(
            "prepared",
            "No user has signed up with this address yet.",
            "nothing: the user who proves to own the address gets the record",
        )
    if user.owed and not user.is_linked:
        return _broken(user)
    if user.owes(Owed.OPERATOR):
        return _failed(user, steps)
    if user.owes(Owed.EMIT):
        return _not_started(user, now)
    if user.owes(Owed.ENRICH):
        return _queued(user, steps, now)
    if profile and profile.ready:
        return ProvisioningState(Status.READY, "Provisioned: nothing is owed.", "nothing")
    at = user.linked_at or 0
    return ProvisioningState(
        "unsettled",
        "Nothing is owed, but the profile is not ready: a row was edited by hand.",
        next_step("user_unsettled", since=rfc3339(at), until=rfc3339(at + 1)),
    )


def _broken(user: User) -> ProvisioningState:
    required = {"userPoolId": user.user_pool_id, "linkedAt": user.linked_at}
    missing = " and ".join(name for name, value in required.items() if value is None)
    return ProvisioningState(
        "unsettled",
        f"The record has no usable {missing}: it was edited by hand, and its events cannot be built.",
        f"set {missing} with `aws dynamodb update-item` (a pool's id; Unix milliseconds); the pipeline then continues",
        since=user.owed_since,
    )


def _failed(user: User, steps: Steps) -> ProvisioningState:
    name, record = _latest(steps, "failed", "retrying")
    where = f"at {name} with {record.get('errorCode')}" if name else "before the first step"
    return ProvisioningState(
        "operator",
        f"Failed {where}: it is not retried before an operator redrives it.",
        next_step("user_failed", sub=user.cognito_sub),
        since=record.get("at") or user.owed_since,
    )


def _not_started(user: User, now: int) -> ProvisioningState:
    late = user.due_at is not None and now - user.due_at > LATE
    return ProvisioningState(
        "waiting",
        "The worker has not started: UserSignedUp is on its way, or EventBridge did not accept it.",
        next_step("user_not_started") if late else "nothing: the reconciler emits it",
        since=user.owed_since,
        due_at=user.due_at,
    )


def _queued(user: User, steps: Steps, now: int) -> ProvisioningState:
    name, record = _latest(steps, "retrying")
    code = record.get("errorCode", "")
    why = f"The worker retries: {name} answered {code}." if name else "Queued for the worker."
    action = "nothing: SQS delivers the message again"
    if "key_rejected" in code or "secret" in code:
        action = next_step("user_waits_for_a_key")
    if user.due_at is not None and user.due_at > now:
        action += f", and the reconciler queues it again at {format_time(user.due_at)}"
    return ProvisioningState("waiting", why, action, since=user.owed_since, due_at=user.due_at)


def _latest(steps: Steps, *states: str) -> tuple[str | None, Mapping[str, Any]]:
    """Name and record of the latest step in the first of these states that any step has."""
    for state in states:
        if in_state := {name: record for name, record in steps.items() if record.get("state") == state}:
            name = max(in_state, key=lambda step: in_state[step].get("at", 0))
            return name, in_state[name]
    return None, {}
