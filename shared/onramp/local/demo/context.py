"""DemoContext: the clients and the screen that every chapter uses."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Self

from onramp.local.demo.event_listener import EventListener
from onramp.local.demo.pipeline import Pipeline
from onramp.local.demo.screen import Screen
from onramp.local.demo.signup_stages import SignupReader
from onramp.local.demo.users import Cognito, Person, Signup
from onramp.local.fakes.client import FakeControl
from onramp.local.stack import LocalStack


@dataclass(frozen=True, slots=True)
class DemoContext:
    screen: Screen
    cognito: Cognito
    pipeline: Pipeline
    listener: EventListener
    stripe: FakeControl
    revenuecat: FakeControl
    signups: list[Signup] = field(default_factory=list)
    """The signups that must be provisioned at the end."""

    @classmethod
    def of(cls, stack: LocalStack, screen: Screen) -> Self:
        stripe, revenuecat = (FakeControl(stack.fakes[name]) for name in ("stripe", "revenuecat"))
        return cls(screen, Cognito(stack), Pipeline(stack), EventListener(stack), stripe, revenuecat)

    def sign_up(self, person: Person) -> SignupReader:
        """Signs up and confirms with the code."""
        signup = self.cognito.sign_up(person)
        self.signups.append(signup)
        self.screen.line(person.given_name, f"{person.email} enters the code from the e-mail", mark="note")
        reader = SignupReader(signup, time.monotonic(), self.pipeline, self.listener)
        self.cognito.confirm(person)
        self.screen.line("Cognito", "confirmed; the trigger ran inside the call", reader.millis())
        return reader
