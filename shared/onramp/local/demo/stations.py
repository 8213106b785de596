"""The stations of one signup, each shown as soon as it is seen and never before.

The clock starts with the ConfirmSignUp call and a time is when our own read had seen it: never less than it was.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from onramp.domain.event_data import Kind
from onramp.local.demo.expectations import PAUSE_SECONDS, WITHIN_SECONDS, ExpectationFailed
from onramp.local.demo.people import Signup
from onramp.local.demo.pipeline import Item, Pipeline
from onramp.local.demo.screen import Screen
from onramp.local.demo.witness import Witness


@dataclass(frozen=True, slots=True)
class Sight:
    """All that can be seen of one signup at one moment, `millis` after its confirmation began."""

    user: Item
    profile: Item
    waiting: int
    in_flight: int
    events: dict[str, dict[str, Any]]
    millis: float


@dataclass(frozen=True, slots=True)
class Journey:
    """One signup on its way. `started` is when its confirmation began, on the monotonic clock."""

    signup: Signup
    started: float
    pipeline: Pipeline
    witness: Witness

    def look(self) -> Sight:
        """Reads in the order of the way, so that nothing is seen before what it came from."""
        user = self.pipeline.user(self.signup.person)
        profile = self.pipeline.profile(self.signup)
        waiting, in_flight = self.pipeline.depth("ProvisioningQueueUrl")
        events = self.witness.events(self.signup)
        return Sight(user, profile, waiting, in_flight, events, self.millis())

    def millis(self) -> float:
        return (time.monotonic() - self.started) * 1000


@dataclass(frozen=True, slots=True)
class Station:
    """`see` says what is to be seen there; None while there is nothing yet."""

    name: str
    see: Callable[[Sight], str | None]


def _record(sight: Sight) -> str | None:
    if "cognitoSub" not in sight.user:
        return None
    how = "the admin's, now linked" if sight.user["onboarding"] == "pre_created" else "created"
    return f"{how} · {', '.join(sight.user['roles'])} · owed {owed(sight.user)}"


def _queue(sight: Sight) -> str | None:
    if sight.waiting or sight.in_flight:
        return f"{sight.waiting} waiting · {sight.in_flight} in flight"
    return "taken by the worker before we could look" if sight.profile else None


def _profile(sight: Sight) -> str | None:
    return f"{sight.profile['displayName']} · {sight.profile['provisioningStatus']}" if sight.profile else None


def _nothing_owed(sight: Sight) -> str | None:
    ready = sight.profile.get("provisioningStatus") == "ready"
    return "nothing · ready" if ready and "owed" not in sight.user else None


def _event(kind: Kind) -> Callable[[Sight], str | None]:
    def see(sight: Sight) -> str | None:
        event = sight.events.get(kind)
        return f"{kind} {event['detail']['metadata']['eventId']}" if event else None

    return see


RECORD = Station("record", _record)
EVENT = Station("event", _event(Kind.USER_SIGNED_UP))
QUEUE = Station("queue", _queue)
PROFILE = Station("profile", _profile)
REVENUECAT = Station("RevenueCat", lambda sight: sight.profile.get("revenueCatId"))
STRIPE = Station("Stripe", lambda sight: sight.profile.get("stripeCustomerId"))
OUTCOME = Station("event", _event(Kind.USER_PROVISIONED))
NOTHING_OWED = Station("owed", _nothing_owed)

WITHOUT_STRIPE = (RECORD, EVENT, QUEUE, PROFILE, REVENUECAT)
AFTER_STRIPE = (STRIPE, OUTCOME, NOTHING_OWED)
ALL = (*WITHOUT_STRIPE, *AFTER_STRIPE)


def watch(journey: Journey, stations: Sequence[Station], screen: Screen) -> None:
    """Shows every station when it is seen. Raises ExpectationFailed naming those that never were."""
    unseen = list(stations)
    deadline = time.monotonic() + WITHIN_SECONDS
    with screen.waiting() as waiting_for:
        while unseen:
            names = ", ".join(station.name for station in unseen)
            waiting_for(names)
            if time.monotonic() > deadline:
                raise ExpectationFailed(
                    f"{journey.signup.person.email} reaches {names} (waited {WITHIN_SECONDS:.0f} s)"
                )
            sight = journey.look()
            unseen = [station for station in unseen if not _shown(station, sight, screen)]
            time.sleep(PAUSE_SECONDS if unseen else 0)


def owed(user: Item) -> str:
    return str(user.get("owed", "nothing")).partition("#")[0]


def _shown(station: Station, sight: Sight, screen: Screen) -> bool:
    if (seen := station.see(sight)) is None:
        return False
    screen.line(station.name, seen, sight.millis)
    return True
