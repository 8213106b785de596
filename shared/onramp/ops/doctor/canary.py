"""A synthetic signup through the whole pipeline: trigger, record, event, worker, each step, ready. Then it is erased.

The trigger is invoked as Cognito invokes it: a user that an administrator creates in the pool would not fire it.
The address is of a reserved domain. Every consumer of the bus receives the signup, and `UserForgotten` after it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from onramp.adapters.profiles import ProfileTable
from onramp.adapters.users import UserTable
from onramp.domain.errors import RetryableError
from onramp.domain.users import Owed, Profile, User
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.deployment import LIVE, Deployment
from onramp.ops.common.erasure import Erasure
from onramp.ops.common.errors import UsageError, reason
from onramp.ops.common.shell import command
from onramp.ops.doctor.findings import Finding, Level, ok, trouble, unchecked
from onramp.ops.tables.erasures import ErasureTarget

POLL_SECONDS = 0.2
TRIGGER, WORKER = "PostConfirmationFunctionName", "EnrichProfileFunctionName"
FINISHED = ("done", "skipped")


@dataclass(frozen=True, slots=True)
class Canary:
    """`sleep` takes seconds."""

    stack: Deployment
    users: UserTable
    profiles: ProfileTable
    sleep: Callable[[float], None]
    sub: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def email(self) -> str:
        return f"canary+{self.sub}@example.com"

    @property
    def plan(self) -> str:
        return (
            f"Sends a synthetic signup, {self.email}, through the whole pipeline and erases it. Consumers of"
            f" {self.stack.outputs['EventBusName']} receive UserSignedUp, UserProvisioned and UserForgotten for it."
        )

    def send(self, patience: float) -> Finding:
        """How long the signup took, or the stage at which it is stuck after `patience` seconds."""
        start = self.stack.now()
        reply = self.stack.client("lambda").invoke(
            FunctionName=self.stack.outputs[TRIGGER], Qualifier=LIVE, Payload=json.dumps(self._event()).encode()
        )
        if "FunctionError" in reply:
            message = json.loads(reply["Payload"].read()).get("errorMessage", "no reason given")
            return trouble(f"stuck at the trigger: {message}", "no signup gets a record.", self._log_command(TRIGGER))
        user = self.users.get(self.email)
        if user is None or user.cognito_sub != self.sub:
            why = "the trigger reported success."
            return trouble("stuck at the record: the trigger wrote none.", why, self._log_command(TRIGGER))
        user, profile = self._poll(start + round(patience * 1000))
        if profile and _provisioned(user, profile):
            took = (self.stack.now() - start) / 1000
            steps = ", ".join(f"{name} {record['state']}" for name, record in sorted(profile.steps.items()))
            return ok(f"a signup went through in {took:.1f} s: record, event, {steps}, ready.")
        return self._stuck(profile)

    def _poll(self, until: int) -> tuple[User | None, Profile | None]:
        """Until the user is provisioned or refused permanently, at most until `until` (Unix milliseconds)."""
        while True:
            user, profile = self.users.get(self.email), self.profiles.get(self.sub)
            refused = user is not None and user.owes(Owed.OPERATOR)
            if _provisioned(user, profile) or refused or self.stack.now() >= until:
                return user, profile
            self.sleep(POLL_SECONDS)

    def _stuck(self, profile: Profile | None) -> Finding:
        why = "new signups are stuck there, too."
        if profile is None:
            cure = command("onramp doctor --only bus --only queues --only functions")
            return trouble("stuck between the bus and the worker: no worker has received the event.", why, cure)
        for step, record in sorted(profile.steps.items()):
            if record.get("state") not in FINISHED:
                state = f"{record.get('state')}, {record.get('errorCode', 'no code')}"
                return trouble(f"stuck at {step}: {state}.", why, command("onramp doctor --only {}", step))
        return trouble("stuck at the worker's last writes: not ready, or still owed.", why, self._log_command(WORKER))

    def _log_command(self, output: str) -> str:
        return command("aws logs tail {} --since 10m", f"/aws/lambda/{self.stack.outputs[output]}")

    def _event(self) -> dict[str, Any]:
        pool = self.stack.outputs["UserPoolId"]
        attributes = {"sub": self.sub, "email": self.email, "email_verified": "true", "name": "Onramp Canary"}
        return {
            "version": "1",
            "triggerSource": "PostConfirmation_ConfirmSignUp",
            "region": pool.partition("_")[0],
            "userPoolId": pool,
            "userName": self.sub,
            "callerContext": {"awsSdkVersion": "onramp-doctor", "clientId": None},
            "request": {"userAttributes": {**attributes, "cognito:user_status": "CONFIRMED"}},
            "response": {},
        }


def _provisioned(user: User | None, profile: Profile | None) -> bool:
    return user is not None and user.owed is None and profile is not None and profile.ready


def run_canary(context: OperatorContext, canary: Canary, patience: float) -> list[Finding]:
    """Two findings: how far the signup came, and whether it was erased. It is erased after any error, and audited."""
    with context.audited("doctor --canary", sub=canary.sub) as entry:
        arrived = False
        try:
            journey = canary.send(patience)
            arrived = journey.level is Level.OK
        except (ClientError, BotoCoreError, RetryableError) as error:
            journey = unchecked(error)
        finally:
            erased = _erased(context, canary.stack, canary, arrived=arrived)
        entry.count = 1
        entry.outcome = {"arrived": "yes" if arrived else "no", "erased": erased.level.value}
    return [journey, erased]


def _erased(context: OperatorContext, stack: Deployment, canary: Canary, *, arrived: bool) -> Finding:
    """As `onramp user forget` does it. A canary that arrived has no worker left: the erasure waits for none."""
    used = {name: bool(stack.parameters.get(f"{name}SecretName")) for name in ("Stripe", "RevenueCat")}
    providers = [name.lower() for name, is_used in used.items() if is_used]
    again = " ".join((command("onramp user forget {}", canary.sub), *(f"--{provider}" for provider in providers)))
    try:
        busy = not arrived and context.users.get(canary.email) is not None
        target = ErasureTarget(canary.email, (canary.sub,), stack.outputs["UserPoolId"], busy=busy, last_work=0)
        erased = Erasure.of(context, providers).run(
            target, f"canary-{uuid.uuid4()}", lambda seconds: _wait(context, seconds, again)
        )
    except (ClientError, BotoCoreError, RetryableError, UsageError) as error:
        return trouble(f"not erased: {reason(error)}", "the synthetic user is still stored.", again)
    return ok("erased: " + ", ".join(f"{what} {count}" for what, count in erased.items()) + ".")


def _wait(context: OperatorContext, seconds: float, again: str) -> None:
    context.out.say(f"A worker may still process it: erasing again in {seconds:.0f} s. If you stop this, run: {again}")
