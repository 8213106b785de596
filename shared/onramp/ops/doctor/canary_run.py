"""A canary's flight from plan to erasure: asked for, audited, and cleaned up whatever happens."""

from __future__ import annotations

import time
import uuid

from botocore.exceptions import BotoCoreError, ClientError

from onramp.domain.errors import RetryableError
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.deployment import Deployment
from onramp.ops.common.erasure import Erasure
from onramp.ops.common.errors import UsageError
from onramp.ops.doctor.canary import Canary
from onramp.ops.doctor.findings import Finding, Level, ok, reason, trouble, unchecked
from onramp.ops.tables.erasures import ErasureTarget


def run_canary(context: OperatorContext, stack: Deployment, patience: float, *, yes: bool) -> list[Finding]:
    """Two findings: how far it came, and whether it was erased. Raises DeskError where nobody can be asked."""
    canary = Canary(stack, context.users, context.profiles, time.sleep)
    context.out.confirm(
        f"Sends a synthetic signup, {canary.email}, through the whole pipeline and erases it. Consumers of"
        f" {stack.outputs['EventBusName']} see UserSignedUp, UserProvisioned and UserForgotten of it.",
        yes=yes,
    )
    with context.audited("doctor --canary", sub=canary.sub) as entry:
        found: list[Finding] = []
        try:
            found += canary.fly(patience)
        except (ClientError, BotoCoreError, RetryableError) as error:
            found.append(unchecked(error))
        finally:
            arrived = bool(found) and found[0].level is Level.OK
            found.append(_erased(context, stack, canary, arrived=arrived))
        entry.count = 1
        entry.outcome = {"arrived": "yes" if arrived else "no", "erased": found[-1].level.value}
    return found


def _erased(context: OperatorContext, stack: Deployment, canary: Canary, *, arrived: bool) -> Finding:
    """Erases the user as `onramp user forget` does. Where the signup arrived, no worker runs and none is waited for."""
    used = {name: bool(stack.parameters.get(f"{name}SecretName")) for name in ("Stripe", "RevenueCat")}
    providers = [name.lower() for name, is_used in used.items() if is_used]
    again = " ".join((f"onramp user forget {canary.sub}", *(f"--{provider}" for provider in providers)))
    try:
        busy = not arrived and context.users.get(canary.email) is not None
        target = ErasureTarget(canary.email, (canary.sub,), stack.outputs["UserPoolId"], busy=busy, last_work=0)
        erased = Erasure.of(context, providers).run(
            target, f"canary-{uuid.uuid4()}", lambda seconds: _wait(context, seconds, again)
        )
    except (ClientError, BotoCoreError, RetryableError, UsageError) as error:
        return trouble(f"not erased: {reason(error)}", "a synthetic user is left behind.", again)
    return ok("erased again: " + ", ".join(f"{what} {count}" for what, count in erased.items()) + ".")


def _wait(context: OperatorContext, seconds: float, again: str) -> None:
    context.out.say(f"A worker may still be at it: erasing again in {seconds:.0f} s. Should this be stopped: {again}")
