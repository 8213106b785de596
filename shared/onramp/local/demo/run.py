"""The demo from start to end: a local stack, the chapters in order, and a final check of all users."""

from __future__ import annotations

import time
from collections import Counter

from onramp.local.demo.checks import ExpectationFailed, expect
from onramp.local.demo.context import DemoContext
from onramp.local.demo.failure_chapters import poison_messages, stripe_outage
from onramp.local.demo.pipeline import Item, Pipeline
from onramp.local.demo.screen import Screen
from onramp.local.demo.signup_chapters import password_reset, pre_create_managers, sign_up_two_users, unverified_signup
from onramp.local.demo.signup_stages import owed
from onramp.local.stack import LocalStack

RESOURCE_NAMES = {
    "AWS::Lambda::Function": "functions",
    "AWS::DynamoDB::Table": "tables",
    "AWS::Events::EventBus": "bus",
    "AWS::SQS::Queue": "queues",
}
HEADINGS = ("e-mail", "roles", "onboarding", "status", "Stripe", "owed")


def run_demo(screen: Screen, port: int) -> None:
    """Raises ExpectationFailed if a check fails, LocalStackError if the stack does not start."""
    started = time.monotonic()
    screen.title("Onramp", "every confirmed Cognito signup becomes a provisioned user.")
    screen.chapter("The stack starts", "template.yaml, deployed to an AWS emulator on this machine.")
    with _start_stack(screen, port) as stack:
        try:
            _run_chapters(_prepare(stack, screen), started)
        except ExpectationFailed as failure:
            screen.failed(str(failure), Pipeline(stack).last_log_lines())
            raise


def _start_stack(screen: Screen, port: int) -> LocalStack:
    started = time.monotonic()
    with screen.waiting() as waiting_for:
        waiting_for("the AWS emulator")
        stack = LocalStack.start(port)
    screen.line("AWS", f"stack deployed on {stack.endpoint}", (time.monotonic() - started) * 1000)
    return stack


def _prepare(stack: LocalStack, screen: Screen) -> DemoContext:
    context = DemoContext.of(stack, screen)
    counts = Counter(context.pipeline.resource_types())
    named = ", ".join(f"{counts[kind]} {name}" for kind, name in RESOURCE_NAMES.items())
    screen.line("deployed", f"{counts.total()} resources, among them {named}")
    screen.line("fakes", " and ".join(stack.fakes) + ", on the same port")
    screen.line("listener", "a queue subscribed to the bus, like another team's")
    return context


def _run_chapters(context: DemoContext, started: float) -> None:
    pre_create_managers(context)
    sign_up_two_users(context)
    unverified_signup(context)
    password_reset(context)
    stripe_outage(context)
    poison_messages(context)
    _all_users(context, started)


def _all_users(context: DemoContext, started: float) -> None:
    context.screen.chapter("All users are accounted for", "The two tables, joined by the sub.")
    users = sorted(context.pipeline.users(), key=lambda user: str(user["userId"]))
    profiles = {profile["userId"]: profile for profile in context.pipeline.profiles()}
    context.screen.table(HEADINGS, [_row(user, profiles.get(user.get("cognitoSub"), {})) for user in users])
    ready = {sub for sub, profile in profiles.items() if profile["provisioningStatus"] == "ready"}
    expect(ready == {signup.sub for signup in context.signups}, "every user with a verified address is ready")
    expect(not any("owed" in user for user in users), "nothing is owed to any user")
    _check_providers(context, profiles)
    expect(len(context.listener.event_ids()) == 2 * len(ready), "two events for each ready user, and no others")
    rejected = sum(entry["message"] == "signup rejected" for entry in context.pipeline.log())
    dead_letters = sum(context.pipeline.depth("ProvisioningDlqUrl"))
    expect((rejected, dead_letters) == (1, 2), f"1 rejected, 2 dead letters (actual: {rejected}, {dead_letters})")
    context.screen.summary(
        f"{len(ready)} users ready · {len(context.stripe.customers())} Stripe customers · {rejected} rejected · "
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


def _check_providers(context: DemoContext, profiles: dict[str, Item]) -> None:
    """Each provider has exactly one customer for each profile, under the id that the profile stores."""
    at_stripe = sorted((customer["metadata"]["cognitoSub"], customer["id"]) for customer in context.stripe.customers())
    stored = sorted((sub, profile["stripeCustomerId"]) for sub, profile in profiles.items())
    expect(at_stripe == stored, "exactly one Stripe customer for each user, under the stored id")
    at_revenuecat = sorted(customer["id"] for customer in context.revenuecat.customers())
    expect(at_revenuecat == sorted(profiles), "exactly one RevenueCat customer for each user")
