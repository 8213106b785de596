"""UpdateUserPool resets every setting that a request omits, as Cognito documents it; the emulator keeps it.

Stricter than the measured behaviour of Cognito, which keeps some settings: an update that is safe here is safe there.
Tags with the prefix `aws:` stay, because a caller cannot remove them.
"""

from __future__ import annotations

from typing import Any

from onramp.local.asgi import Reply
from onramp.local.gateway.aws import AwsCall, Emulator, EmulatorError, Forward

DEFAULTS: dict[str, Any] = {
    "Policies": {
        "PasswordPolicy": {
            "MinimumLength": 8,
            "RequireUppercase": True,
            "RequireLowercase": True,
            "RequireNumbers": True,
            "RequireSymbols": True,
            "TemporaryPasswordValidityDays": 7,
        }
    },
    "DeletionProtection": "INACTIVE",
    "LambdaConfig": {},
    "AutoVerifiedAttributes": [],
    "SmsVerificationMessage": "",
    "EmailVerificationMessage": "",
    "EmailVerificationSubject": "",
    "VerificationMessageTemplate": {"DefaultEmailOption": "CONFIRM_WITH_CODE"},
    "SmsAuthenticationMessage": "",
    "UserAttributeUpdateSettings": {"AttributesRequireVerificationBeforeUpdate": []},
    "MfaConfiguration": "OFF",
    "DeviceConfiguration": {},
    "EmailConfiguration": {},
    "SmsConfiguration": {},
    "UserPoolTags": {},
    "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": False},
    "UserPoolAddOns": {},
    "AccountRecoverySetting": {},
}


class UserPoolUpdates:
    """`emulator` calls AWS below all layers."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    async def layer(self, call: AwsCall, forward: Forward) -> Reply:
        if (call.service, call.operation) != ("cognito-idp", "UpdateUserPool"):
            return await forward(call)
        request = call.payload()
        try:
            answer = await self._emulator.call("cognito-idp", "DescribeUserPool", {"UserPoolId": request["UserPoolId"]})
        except (EmulatorError, KeyError):
            return await forward(call)  # the emulator answers with the error
        pool = answer["UserPool"]
        tags = pool.get("UserPoolTags", {})
        aws_tags = {name: value for name, value in tags.items() if name.startswith("aws:")}
        complete = {**DEFAULTS, **request}
        _align_password_validity(complete)
        # A setting that the pool does not have stays absent: a reset does not create it.
        existing = {name: value for name, value in complete.items() if name in request or name in pool}
        return await forward(call.with_payload(existing | {"UserPoolTags": {**complete["UserPoolTags"], **aws_tags}}))


def _align_password_validity(request: dict[str, Any]) -> None:
    """Copies the validity of temporary passwords to the second place where Cognito describes it."""
    days = request["Policies"].get("PasswordPolicy", {}).get("TemporaryPasswordValidityDays")
    if days is not None:
        admin = {**request["AdminCreateUserConfig"], "UnusedAccountValidityDays": days}
        request["AdminCreateUserConfig"] = admin
