"""UpdateUserPool sets back whatever a request leaves out, as Cognito documents it; the emulator keeps it.

Stricter than what people have measured, where some settings survive: whoever passes here, passes there. AWS's own
tags are nobody's to remove, and stay.
"""

from __future__ import annotations

from typing import Any

from onramp.local.gateway.asgi import Reply
from onramp.local.gateway.aws import AwsCall, Emulator, EmulatorError, Forward

LEFT_OUT_MEANS: dict[str, Any] = {
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
    """`emulator` makes calls below this layer."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    async def layer(self, call: AwsCall, forward: Forward) -> Reply:
        if (call.service, call.operation) != ("cognito-idp", "UpdateUserPool"):
            return await forward(call)
        request = call.payload()
        try:
            answer = await self._emulator.call("cognito-idp", "DescribeUserPool", {"UserPoolId": request["UserPoolId"]})
        except (EmulatorError, KeyError):
            return await forward(call)  # it says itself what is wrong
        pool = answer["UserPool"]
        tags = pool.get("UserPoolTags", {})
        aws = {name: value for name, value in tags.items() if name.startswith("aws:")}
        whole = {**LEFT_OUT_MEANS, **request}
        # Where nobody has set it, neither request nor reset makes it appear.
        _temporary_passwords(whole)
        described = {name: value for name, value in whole.items() if name in request or name in pool}
        return await forward(call.with_payload(described | {"UserPoolTags": {**whole["UserPoolTags"], **aws}}))


def _temporary_passwords(request: dict[str, Any]) -> None:
    """One setting that Cognito describes in two places."""
    days = request["Policies"].get("PasswordPolicy", {}).get("TemporaryPasswordValidityDays")
    if days is not None:
        admin = {**request["AdminCreateUserConfig"], "UnusedAccountValidityDays": days}
        request["AdminCreateUserConfig"] = admin
