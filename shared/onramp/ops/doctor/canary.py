"""One synthetic signup to the end: trigger, record, event, worker, each step, ready. Then it is erased.

Creating a user in the pool as an administrator would fire no trigger, so the trigger is invoked as Cognito invokes it.
The address is of a reserved domain. Every consumer of the bus sees the signup, and `UserForgotten` after it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from onramp.adapters.profiles import ProfileTable
from onramp.adapters.users import UserTable
from onramp.domain.users import Owed, Profile, User
from onramp.ops.common.deployment import LIVE, Deployment
from onramp.ops.doctor.findings import Finding, ok, trouble

LOOK_EVERY = 0.2  # seconds
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

    def fly(self, patience: float) -> Iterator[Finding]:
        """What it met on the way: one finding, the station at which it is stuck or how long it took."""
        start = self.stack.now()
        reply = self.stack.client("lambda").invoke(
            FunctionName=self.stack.outputs[TRIGGER], Qualifier=LIVE, Payload=json.dumps(self._event()).encode()
        )
        if "FunctionError" in reply:
            said = json.loads(reply["Payload"].read()).get("errorMessage", "no reason given")
            yield trouble(f"stuck at the trigger: {said}", "no signup gets a record.", self._log(TRIGGER))
            return
        if not (user := self.users.get(self.email)) or user.cognito_sub != self.sub:
            why = "the trigger answered as if all were well."
            yield trouble("stuck at the record: the trigger wrote none.", why, self._log(TRIGGER))
            return
        user, profile = self._followed(start + round(patience * 1000))
        if profile and _arrived(user, profile):
            took = (self.stack.now() - start) / 1000
            steps = ", ".join(f"{name} {record['state']}" for name, record in sorted(profile.steps.items()))
            yield ok(f"a signup went through in {took:.1f} s: record, event, {steps}, ready.")
        else:
            yield self._stuck(profile)

    def _followed(self, until: int) -> tuple[User | None, Profile | None]:
        """As soon as it is there, refused for good, or out of time."""
        while True:
            user, profile = self.users.get(self.email), self.profiles.get(self.sub)
            refused = user is not None and user.owes(Owed.OPERATOR)
            if _arrived(user, profile) or refused or self.stack.now() >= until:
                return user, profile
            self.sleep(LOOK_EVERY)

    def _stuck(self, profile: Profile | None) -> Finding:
        why = "so is every signup since."
        if profile is None:
            cure = "onramp doctor --only bus --only queues --only functions"
            return trouble("stuck between the bus and the worker: nobody has taken the event up.", why, cure)
        for step, record in sorted(profile.steps.items()):
            if record.get("state") not in FINISHED:
                said = f"{record.get('state')}, {record.get('errorCode', 'no code')}"
                return trouble(f"stuck at {step}: {said}.", why, f"onramp doctor --only {step}")
        return trouble("stuck at the worker's last steps: not ready, or still owed.", why, self._log(WORKER))

    def _log(self, output: str) -> str:
        return f"aws logs tail /aws/lambda/{self.stack.outputs[output]} --since 10m"

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


def _arrived(user: User | None, profile: Profile | None) -> bool:
    return user is not None and user.owed is None and profile is not None and profile.ready
