"""The alias of the trigger that the user pools call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code, retryable
from onramp.domain.errors import RetryableError

if TYPE_CHECKING:
    from mypy_boto3_lambda.client import LambdaClient


@dataclass(frozen=True, slots=True)
class TriggerAlias:
    client: LambdaClient
    arn: str

    def policy(self) -> Mapping[str, Any]:
        """The alias's own resource policy, which decides where a caller names the alias. Empty where it has none."""
        with retryable("get_policy"):
            try:
                reply = self.client.get_policy(FunctionName=self.arn)
            except ClientError as error:
                if error_code(error) != "ResourceNotFoundException":
                    raise
                return {}
        if "Policy" not in reply:
            raise RetryableError("get_policy_unreadable")
        policy: dict[str, Any] = json.loads(reply["Policy"])
        return policy
