"""The stages of one signup. Each is shown once it was read back from the stack, never before.

A time runs from the ConfirmSignUp call to the end of the read that found the stage: an upper bound.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from onramp.domain.event_data import Kind
from onramp.local.demo.checks import PAUSE_SECONDS, WITHIN_SECONDS, ExpectationFailed
from onramp.local.demo.event_listener import EventListener
from onramp.local.demo.pipeline import Item, Pipeline
from onramp.local.demo.screen import Screen
from onramp.local.demo.users import Signup


@dataclass(frozen=True, slots=True)
class SignupState:
    """Everything readable about one signup, `millis` after its ConfirmSignUp call."""

    user: Item
    profile: Item
    visible: int
    in_flight: int
    events: dict[str, dict[str, Any]]
    millis: float


@dataclass(frozen=True, slots=True)
class SignupReader:
    """Reads the state of one signup. `started`: the time of its ConfirmSignUp call on the monotonic clock."""

    signup: Signup
    started: float
    pipeline: Pipeline
    listener: EventListener

    def read(self) -> SignupState:
        """Reads in the order of the pipeline, so that no stage is seen before its cause."""
        user = self.pipeline.user(self.signup.person)
        profile = self.pipeline.profile(self.signup)
        visible, in_flight = self.pipeline.depth("ProvisioningQueueUrl")
        events = self.listener.events(self.signup)
        return SignupState(user, profile, visible, in_flight, events, self.millis())

    def millis(self) -> float:
        return (time.monotonic() - self.started) * 1000


@dataclass(frozen=True, slots=True)
class Stage:
    """`describe` returns the text to show, None while the stage is not reached."""

    name: str
    describe: Callable[[SignupState], str | None]


def _record(state: SignupState) -> str | None:
    if "cognitoSub" not in state.user:
        return None
    change = "pre-created, now linked" if state.user["onboarding"] == "pre_created" else "created"
    return f"{change} · {', '.join(state.user['roles'])} · owed {owed(state.user)}"


def _queue(state: SignupState) -> str | None:
    if state.visible or state.in_flight:
        return f"{state.visible} visible · {state.in_flight} in flight"
    return "received by the worker before the first read" if state.profile else None


def _profile(state: SignupState) -> str | None:
    return f"{state.profile['displayName']} · {state.profile['provisioningStatus']}" if state.profile else None


def _nothing_owed(state: SignupState) -> str | None:
    ready = state.profile.get("provisioningStatus") == "ready"
    return "nothing · ready" if ready and "owed" not in state.user else None


def _event(kind: Kind) -> Callable[[SignupState], str | None]:
    def describe(state: SignupState) -> str | None:
        event = state.events.get(kind)
        return f"{kind} {event['detail']['metadata']['eventId']}" if event else None

    return describe


STAGES_BEFORE_STRIPE = (
    Stage("record", _record),
    Stage("event", _event(Kind.USER_SIGNED_UP)),
    Stage("queue", _queue),
    Stage("profile", _profile),
    Stage("RevenueCat", lambda state: state.profile.get("revenueCatId")),
)
STAGES_FROM_STRIPE = (
    Stage("Stripe", lambda state: state.profile.get("stripeCustomerId")),
    Stage("event", _event(Kind.USER_PROVISIONED)),
    Stage("owed", _nothing_owed),
)
ALL_STAGES = (*STAGES_BEFORE_STRIPE, *STAGES_FROM_STRIPE)


def show_stages(reader: SignupReader, stages: Sequence[Stage], screen: Screen) -> None:
    """Shows each stage once it is reached. Raises ExpectationFailed naming those that are not reached in time."""
    remaining = list(stages)
    deadline = time.monotonic() + WITHIN_SECONDS
    with screen.waiting() as waiting_for:
        while remaining:
            names = ", ".join(stage.name for stage in remaining)
            waiting_for(names)
            if time.monotonic() > deadline:
                raise ExpectationFailed(f"{reader.signup.person.email} reaches {names} (waited {WITHIN_SECONDS:.0f} s)")
            state = reader.read()
            remaining = [stage for stage in remaining if not _show(stage, state, screen)]
            time.sleep(PAUSE_SECONDS if remaining else 0)


def owed(user: Item) -> str:
    return str(user.get("owed", "nothing")).partition("#")[0]


def _show(stage: Stage, state: SignupState, screen: Screen) -> bool:
    """Whether the stage is reached."""
    if (description := stage.describe(state)) is None:
        return False
    screen.line(stage.name, description, state.millis)
    return True
