"""The trigger's rules as they are deployed, for the commands that decide on a pool user."""

from __future__ import annotations

from dataclasses import dataclass

from onramp.domain.claims import Admission
from onramp.domain.errors import ConfigurationError
from onramp.domain.trust import TrustPolicy
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.errors import UsageError
from onramp.settings import pool_ids


@dataclass(frozen=True, slots=True)
class DeployedRules:
    """`pools`: the stack's own pool first. `grace` in milliseconds: an index may lag behind a signup by that time.

    `fingerprint` differs where the rules differ.
    """

    admission: Admission
    pools: tuple[str, ...]
    grace: int
    fingerprint: str


def deployed_rules(context: OperatorContext) -> DeployedRules:
    """From the stack's parameters. Raises UsageError where they cannot be parsed."""
    parameters = context.parameters
    trusted = parameters.get("TrustedIdentityProviders", "")
    unverified = parameters.get("AllowUnverifiedSignups", "false")
    more = pool_ids(parameters.get("AdditionalUserPoolArns", ""))
    pools = tuple(dict.fromkeys((context.output("UserPoolId"), *more)))
    try:
        trust = TrustPolicy.parse(trusted, allow_unverified=unverified == "true")
    except ConfigurationError as error:
        raise UsageError(f"the stack's rules cannot be read: {error}") from None
    return DeployedRules(
        admission=Admission(
            user_pool_ids=frozenset(pools),
            trust=trust,
            emit_due_after=int(parameters.get("EmitDueAfterSeconds", "300")) * 1000,
            default_role=parameters.get("DefaultRole", "team_member"),
        ),
        pools=pools,
        grace=int(parameters.get("SweepGraceSeconds", "300")) * 1000,
        fingerprint=f"{trusted}|{unverified}|{','.join(sorted(pools))}",
    )
