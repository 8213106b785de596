"""Everything a chapter needs, in one hand."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Self

from onramp.local.demo.people import Cognito, Person, Signup
from onramp.local.demo.pipeline import Pipeline
from onramp.local.demo.screen import Screen
from onramp.local.demo.stations import Journey
from onramp.local.demo.witness import Witness
from onramp.local.fakes.client import FakeControl
from onramp.local.stack import LocalStack


@dataclass(frozen=True, slots=True)
class Stage:
    screen: Screen
    cognito: Cognito
    pipeline: Pipeline
    witness: Witness
    stripe: FakeControl
    revenuecat: FakeControl
    signups: list[Signup] = field(default_factory=list)
    """Those who should be provisioned in the end."""

    @classmethod
    def on(cls, stack: LocalStack, screen: Screen) -> Self:
        stripe, revenuecat = (FakeControl(stack.fakes[name]) for name in ("stripe", "revenuecat"))
        return cls(screen, Cognito(stack), Pipeline(stack), Witness(stack), stripe, revenuecat)

    def sign_up(self, person: Person) -> Journey:
        """Signs up and confirms with the code. The journey begins with the confirmation."""
        signup = self.cognito.sign_up(person)
        self.signups.append(signup)
        self.screen.line(person.given_name, f"{person.email} enters the code from the mail", mark="note")
        journey = Journey(signup, time.monotonic(), self.pipeline, self.witness)
        self.cognito.confirm(person)
        self.screen.line("Cognito", "confirmed; the trigger ran inside the call", journey.millis())
        return journey
