"""The event that Cognito sends to a trigger.

Shape: https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CognitoUser:
    username: str
    status: str
    attributes: dict[str, str]

    @classmethod
    def from_admin_get_user(cls, answer: Mapping[str, Any]) -> CognitoUser:
        attributes = {item["Name"]: item["Value"] for item in answer.get("UserAttributes", [])}
        return cls(answer["Username"], answer["UserStatus"], attributes)


def trigger_event(
    source: str,
    pool_id: str,
    client_id: str | None,
    user: CognitoUser,
    client_metadata: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """`client_id` is None if an administrator confirmed the user: AWS sends null."""
    attributes = {**user.attributes, "cognito:user_status": user.status}
    request: dict[str, Any] = {"userAttributes": attributes}
    if source.startswith("PostAuthentication"):
        request["newDeviceUsed"] = False
    if client_metadata:
        request["clientMetadata"] = dict(client_metadata)
    return {
        "version": "1",
        "triggerSource": source,
        "region": pool_id.partition("_")[0],
        "userPoolId": pool_id,
        "userName": user.username,
        "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": client_id},
        "request": request,
        "response": {},
    }
