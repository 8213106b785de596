"""Whether Cognito may invoke the trigger for a user pool, and the command that allows it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code
from onramp.domain.policies import Grant, invocation_grant
from onramp.ops.common.deployment import LIVE, Deployment
from onramp.ops.common.shell import command


@dataclass(frozen=True, slots=True)
class TriggerPermission:
    """`policy` is that of the alias `live`: where a caller names an alias, the function's own policy does not count."""

    stack: Deployment
    policy: Mapping[str, Any]

    @classmethod
    def of(cls, stack: Deployment) -> TriggerPermission:
        return cls(stack, _alias_policy(stack))

    def grant(self, pool: str) -> Grant:
        return invocation_grant(self.policy, alias_arn=self.stack.trigger.arn, user_pool_id=pool)

    def command(self, pool: str) -> str:
        """Lets Cognito invoke the trigger for this pool."""
        function = self.stack.outputs["PostConfirmationFunctionName"]
        return command(
            "aws lambda add-permission --function-name {} --qualifier live --statement-id {}"
            " --action lambda:InvokeFunction --principal cognito-idp.amazonaws.com --source-arn {} --source-account {}",
            function,
            f"onramp-{pool}",
            self.stack.pool_arn(pool),
            self.stack.trigger.account,
        )


def _alias_policy(stack: Deployment) -> Mapping[str, Any]:
    """Empty where the alias has none."""
    function = stack.outputs["PostConfirmationFunctionName"]
    try:
        policy: dict[str, Any] = json.loads(
            stack.client("lambda").get_policy(FunctionName=function, Qualifier=LIVE)["Policy"]
        )
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
        return {}
    return policy
