"""Whether Cognito may invoke the trigger for a user pool, and the command that allows it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code
from onramp.domain.policies import COGNITO, INVOKE, Grant, invocation_grant, is_open, statements_of
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
        """Lets Cognito invoke the trigger for this pool, and removes the grants that name no pool."""
        function, sid = self.stack.outputs["PostConfirmationFunctionName"], f"onramp-{pool}"
        removed = [
            str(statement["Sid"])
            for statement in statements_of(self.policy)
            if "Sid" in statement and (is_open(statement, COGNITO) or statement["Sid"] == sid)
        ]
        remove = "aws lambda remove-permission --function-name {} --qualifier {} --statement-id {}"
        add = command(
            "aws lambda add-permission --function-name {} --qualifier {} --statement-id {}"
            " --action {} --principal {} --source-arn {} --source-account {}",
            function,
            LIVE,
            sid,
            INVOKE,
            COGNITO,
            self.stack.pool_arn(pool),
            self.stack.trigger.account,
        )
        return " && ".join([*(command(remove, function, LIVE, name) for name in removed), add])


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
