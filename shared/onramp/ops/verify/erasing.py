"""Erases a synthetic user as `onramp user forget` does. Its tombstone stays: the sub and the time, nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from onramp.ops.common.context import OperatorContext
from onramp.ops.common.erasure import Erasure
from onramp.ops.common.shell import command
from onramp.ops.tables.erasures import ErasureTarget

PROVIDERS = ("Stripe", "RevenueCat")


@dataclass(frozen=True, slots=True)
class SyntheticEraser:
    context: OperatorContext
    run: str

    def __call__(self, email: str, sub: str) -> None:
        """Waits for a worker where one may still run. Raises CommandFailed where something was not deleted."""
        user, profile = self.context.users.get(email), self.context.profiles.get(sub)
        busy = user is not None and (user.owed is not None or profile is None or not profile.ready)
        target = ErasureTarget(email, (sub,), self.context.output("UserPoolId"), busy=busy, last_work=0)
        Erasure.of(self.context, self._providers()).run(target, f"verify-{self.run}", self._say_wait)

    def by_hand(self, sub: str) -> str:
        return " ".join((command("onramp user forget {}", sub), *(f"--{provider}" for provider in self._providers())))

    def _providers(self) -> list[str]:
        return [name.lower() for name in PROVIDERS if self.context.parameters.get(f"{name}SecretName")]

    def _say_wait(self, seconds: float) -> None:
        self.context.out.say(f"A worker may still process a synthetic user: deleting again in {seconds:.0f} s.")
