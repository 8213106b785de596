"""The parts of attach and detach, from the stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from onramp.ops.attach.pool_update import UserPool
from onramp.ops.attach.triggers import TriggerPlan
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.deployment import Deployment
from onramp.ops.tables.attachments import ReplacedTriggers

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient


@dataclass(frozen=True, slots=True)
class AttachWiring:
    stack: Deployment
    cognito: CognitoIdentityProviderClient
    plan: TriggerPlan
    replaced: ReplacedTriggers

    @classmethod
    def of(cls, context: OperatorContext) -> Self:
        stack = Deployment.of(context)
        return cls(
            stack=stack,
            cognito=context.client("cognito-idp"),
            plan=TriggerPlan(stack.trigger.arn),
            replaced=ReplacedTriggers(context.client("dynamodb"), context.output("OperationsTableName")),
        )

    def pool(self, pool_id: str) -> UserPool:
        """ "" is the stack's own pool."""
        return UserPool(self.cognito, pool_id or self.stack.outputs["UserPoolId"])
