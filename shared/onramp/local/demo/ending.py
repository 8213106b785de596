"""The last chapter: who is where, and does it add up."""

from __future__ import annotations

import time

from onramp.local.demo.expectations import expect
from onramp.local.demo.pipeline import Item
from onramp.local.demo.stage import Stage
from onramp.local.demo.stations import owed

HEADINGS = ("e-mail", "roles", "onboarding", "status", "Stripe", "owed")


def everybody_is_accounted_for(stage: Stage, started: float) -> None:
    stage.screen.chapter("Everybody is accounted for", "The two tables, joined by the sub.")
    users = sorted(stage.pipeline.users(), key=lambda user: str(user["userId"]))
    profiles = {profile["userId"]: profile for profile in stage.pipeline.profiles()}
    stage.screen.table(HEADINGS, [_row(user, profiles.get(user.get("cognitoSub"), {})) for user in users])
    ready = {sub for sub, profile in profiles.items() if profile["provisioningStatus"] == "ready"}
    expect(ready == {signup.sub for signup in stage.signups}, "everybody who proved an address is ready")
    expect(not any("owed" in user for user in users), "nothing is owed to anybody")
    _billing_agrees(stage, profiles)
    expect(len(stage.witness.event_ids()) == 2 * len(ready), "two events about each user, and none about anybody else")
    refused = sum(entry["message"] == "signup rejected" for entry in stage.pipeline.log())
    dead_letters = sum(stage.pipeline.depth("ProvisioningDlqUrl"))
    expect((refused, dead_letters) == (1, 2), f"1 refused, 2 dead letters (they are {refused}, {dead_letters})")
    stage.screen.summary(
        f"{len(ready)} users ready · {len(stage.stripe.customers())} Stripe customers · {refused} refused · "
        f"{dead_letters} dead letters · {time.monotonic() - started:.1f} s"
    )


def _row(user: Item, profile: Item) -> tuple[str, ...]:
    return (
        user["userId"],
        ", ".join(user["roles"]),
        user["onboarding"],
        profile.get("provisioningStatus", "-"),
        profile.get("stripeCustomerId", "-"),
        owed(user),
    )


def _billing_agrees(stage: Stage, profiles: dict[str, Item]) -> None:
    """Every provider knows exactly our users, each once, under the ids we keep."""
    at_stripe = sorted((customer["metadata"]["cognitoSub"], customer["id"]) for customer in stage.stripe.customers())
    ours = sorted((sub, profile["stripeCustomerId"]) for sub, profile in profiles.items())
    expect(at_stripe == ours, "exactly one Stripe customer for each user, under the id we keep")
    at_revenuecat = sorted(customer["id"] for customer in stage.revenuecat.customers())
    expect(at_revenuecat == sorted(profiles), "exactly one RevenueCat customer for each user")
