"""Which triggers of a user pool name our function, and what must hold before they do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onramp.domain.policies import Grant
from onramp.ops.common.deployment import Deployment
from onramp.ops.common.errors import UsageError
from onramp.ops.common.trigger_permission import TriggerPermission

CONFIRMATION, SIGN_IN = "PostConfirmation", "PostAuthentication"
OUR_TRIGGERS = (CONFIRMATION, SIGN_IN)
RESERVED = "PostConfirmationReservedConcurrency"


@dataclass(frozen=True, slots=True)
class TriggerPlan:
    """`alias` is the ARN that a pool has to name: the trigger's alias `live`."""

    alias: str

    def attach(self, triggers: Mapping[str, Any], *, heal_on_sign_in: bool, replace: bool) -> dict[str, Any]:
        """The triggers after attaching. Raises UsageError where another function is in the way."""
        wanted = OUR_TRIGGERS if heal_on_sign_in else (CONFIRMATION,)
        others = {name: arn for name in wanted if (arn := self.other_function(triggers, name))}
        if others and not replace:
            name, arn = next(iter(others.items()))
            raise UsageError(
                f"the pool's {name} trigger is another function: {arn}. A pool has one of each: let that function call"
                " ours, or replace it with --replace (detach restores it)."
            )
        return {**triggers, **dict.fromkeys(wanted, self.alias)}

    def detach(self, triggers: Mapping[str, Any], replaced: Mapping[str, str]) -> dict[str, Any]:
        """The triggers after detaching: without our function, and with the replaced ones restored."""
        kept = {
            name: value
            for name, value in triggers.items()
            if name not in OUR_TRIGGERS or self.other_function(triggers, name)
        }
        restored = {name: arn for name, arn in replaced.items() if name in OUR_TRIGGERS and name not in kept}
        return {**kept, **restored}

    def replaced(self, triggers: Mapping[str, Any], earlier: Mapping[str, str]) -> dict[str, str]:
        """What attaching replaces in these triggers; for those that are ours already, what it replaced `earlier`."""
        others = {name: arn for name in OUR_TRIGGERS if (arn := self.other_function(triggers, name))}
        attached = {name for name in OUR_TRIGGERS if triggers.get(name) and name not in others}
        return {name: arn for name, arn in earlier.items() if name in attached} | others

    def other_function(self, triggers: Mapping[str, Any], name: str) -> str | None:
        """The ARN behind a trigger, unless it is a version or alias of our function."""
        arn = triggers.get(name)
        function = self.alias.rpartition(":")[0]
        return str(arn) if arn and str(arn) != function and not str(arn).startswith(f"{function}:") else None


def require_attachable(stack: Deployment, pool: str, *, heal_on_sign_in: bool) -> None:
    """Raises UsageError where every confirmation would fail: the trigger refuses the pool or may not be invoked."""
    if pool not in stack.accepted_pools:
        arns = ",".join(filter(None, (stack.parameters.get("AdditionalUserPoolArns", ""), stack.pool_arn(pool))))
        raise UsageError(
            f"the trigger refuses the users of {pool}. Add the pool:"
            f" {stack.deploy_command(AdditionalUserPoolArns=arns)}"
            f" (or deploy another stack with ExistingUserPoolId={pool})."
        )
    permission = TriggerPermission.of(stack)
    if permission.grant(pool) is Grant.NONE:
        raise UsageError(
            f"Cognito may not invoke the trigger for {pool}. A stack deployed with ExistingUserPoolId={pool} allows it;"
            f" for an additional pool run: {permission.command(pool)}"
        )
    if heal_on_sign_in and stack.parameters.get("HealOnSignIn") != "true":
        needed = {"HealOnSignIn": "true"}
        if stack.parameters.get(RESERVED, "0") == "0":  # a rule of the template demands it
            needed[RESERVED] = "50"
        command = stack.deploy_command(**needed)
        raise UsageError(f"the trigger has no permission to look users up at sign-in: {command}")
