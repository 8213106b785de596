"""The story of a signup, chapter by chapter, on a stack of its own."""

from __future__ import annotations

import time
from collections import Counter

from onramp.local.demo.arrivals import a_manager_and_a_stranger_sign_up, an_admin_expects_two_managers
from onramp.local.demo.ending import everybody_is_accounted_for
from onramp.local.demo.expectations import ExpectationFailed
from onramp.local.demo.intruders import a_password_reset_passes_through, an_unverified_claim_is_refused
from onramp.local.demo.pipeline import Pipeline
from onramp.local.demo.screen import Screen
from onramp.local.demo.stage import Stage
from onramp.local.demo.trouble import poison_is_put_aside, stripe_goes_down_and_comes_back
from onramp.local.stack import LocalStack

PARTS = {
    "AWS::Lambda::Function": "functions",
    "AWS::DynamoDB::Table": "tables",
    "AWS::Events::EventBus": "bus",
    "AWS::SQS::Queue": "queues",
}


def tell(screen: Screen, port: int) -> None:
    """Raises ExpectationFailed where the pipeline does not do what the story says, LocalStackError without a stack."""
    started = time.monotonic()
    screen.title("Onramp", "every confirmed Cognito signup becomes a provisioned user.")
    screen.chapter("The stack comes up", "template.yaml as it stands, on an AWS of this laptop's own.")
    with _the_stack(screen, port) as stack:
        try:
            _play(_set(stack, screen), started)
        except ExpectationFailed as failed:
            screen.failed(str(failed), Pipeline(stack).last_words())
            raise


def _the_stack(screen: Screen, port: int) -> LocalStack:
    started = time.monotonic()
    with screen.waiting() as waiting_for:
        waiting_for("the embedded AWS")
        stack = LocalStack.start(port)
    screen.line("AWS", f"up and deployed on {stack.endpoint}", (time.monotonic() - started) * 1000)
    return stack


def _set(stack: LocalStack, screen: Screen) -> Stage:
    """The stage, with the stack on it that was just deployed."""
    stage = Stage.on(stack, screen)
    types = Counter(stage.pipeline.resource_types())
    parts = ", ".join(f"{types[kind]} {name}" for kind, name in PARTS.items())
    screen.line("deployed", f"{types.total()} resources, among them {parts}")
    screen.line("fakes", " and ".join(stack.fakes) + ", on the same port")
    screen.line("witness", "a subscriber on the bus, as another team would be")
    return stage


def _play(stage: Stage, started: float) -> None:
    an_admin_expects_two_managers(stage)
    a_manager_and_a_stranger_sign_up(stage)
    an_unverified_claim_is_refused(stage)
    a_password_reset_passes_through(stage)
    stripe_goes_down_and_comes_back(stage)
    poison_is_put_aside(stage)
    everybody_is_accounted_for(stage, started)
