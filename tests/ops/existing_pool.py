"""A user pool in which every optional setting differs from its default, and a stack deployed for it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from onramp.local.deploy import deploy
from onramp.local.stack import ROOT, LocalStack
from tests.conftest import QUICK

NAME = "onramp-existing"
ACCOUNT = "000000000000"
LAMBDA = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function"
EVERY_SETTING: dict[str, Any] = {
    "Policies": {
        "PasswordPolicy": {
            "MinimumLength": 17,
            "RequireUppercase": False,
            "RequireLowercase": True,
            "RequireNumbers": False,
            "RequireSymbols": True,
            "PasswordHistorySize": 5,
            "TemporaryPasswordValidityDays": 3,
        },
        "SignInPolicy": {"AllowedFirstAuthFactors": ["PASSWORD", "EMAIL_OTP"]},
    },
    "DeletionProtection": "ACTIVE",
    "LambdaConfig": {
        "PreAuthentication": f"{LAMBDA}:theirs-pre-authentication",
        "PreTokenGenerationConfig": {"LambdaVersion": "V2_0", "LambdaArn": f"{LAMBDA}:theirs-token"},
        "DefineAuthChallenge": f"{LAMBDA}:theirs-challenge",
    },
    "AutoVerifiedAttributes": ["email", "phone_number"],
    "SmsVerificationMessage": "Your code: {####}",
    "EmailVerificationMessage": "Use {####} within the hour.",
    "EmailVerificationSubject": "Welcome aboard",
    "VerificationMessageTemplate": {
        "SmsMessage": "Your code: {####}",
        "EmailMessage": "Use {####} within the hour.",
        "EmailSubject": "Welcome aboard",
        "EmailMessageByLink": "Follow {##this link##}.",
        "EmailSubjectByLink": "Welcome",
        "DefaultEmailOption": "CONFIRM_WITH_LINK",
    },
    "SmsAuthenticationMessage": "Signing in: {####}",
    "MfaConfiguration": "OPTIONAL",
    "DeviceConfiguration": {"ChallengeRequiredOnNewDevice": True, "DeviceOnlyRememberedOnUserPrompt": False},
    "EmailConfiguration": {
        "SourceArn": f"arn:aws:ses:eu-west-1:{ACCOUNT}:identity/hello@example.com",
        "ReplyToEmailAddress": "help@example.com",
        "EmailSendingAccount": "DEVELOPER",
        "From": "Hello <hello@example.com>",
        "ConfigurationSet": "tracked",
    },
    "SmsConfiguration": {
        "SnsCallerArn": f"arn:aws:iam::{ACCOUNT}:role/sms",
        "ExternalId": "onramp",
        "SnsRegion": "eu-west-1",
    },
    "UserPoolTags": {"team": "growth", "cost": "42"},
    "AdminCreateUserConfig": {
        "AllowAdminCreateUserOnly": False,
        "UnusedAccountValidityDays": 3,
        "InviteMessageTemplate": {
            "SMSMessage": "{username} {####}",
            "EmailMessage": "Hello {username}, {####}",
            "EmailSubject": "You are invited",
        },
    },
    "UserPoolAddOns": {"AdvancedSecurityMode": "AUDIT"},
    "UserAttributeUpdateSettings": {"AttributesRequireVerificationBeforeUpdate": ["email"]},
    "AccountRecoverySetting": {"RecoveryMechanisms": [{"Name": "verified_phone_number", "Priority": 1}]},
    "UserPoolTier": "PLUS",
}
ONLY_AT_CREATION = {
    "UsernameAttributes": ["email"],
    "UsernameConfiguration": {"CaseSensitive": False},
    "Schema": [{"Name": "shoe", "AttributeDataType": "Number", "Mutable": True}],
}


@contextmanager
def stack_for_a_pool() -> Iterator[LocalStack]:
    with LocalStack.start(enforce_iam=True, parameters=QUICK) as own:
        cognito = own.client("cognito-idp")
        pool = cognito.create_user_pool(PoolName="theirs", **EVERY_SETTING, **ONLY_AT_CREATION)["UserPool"]["Id"]
        cognito.set_user_pool_mfa_config(
            UserPoolId=pool, MfaConfiguration="OPTIONAL", SoftwareTokenMfaConfiguration={"Enabled": True}
        )
        client = cognito.create_user_pool_client(UserPoolId=pool, ClientName="app")["UserPoolClient"]["ClientId"]
        existing = copy.copy(own)
        healing = {"HealOnSignIn": "true", "PostConfirmationReservedConcurrency": "10"}
        parameters = QUICK | healing | {"ExistingUserPoolId": pool}
        existing.outputs = deploy(own, ROOT / "template.yaml", parameters, NAME) | {"UserPoolClientId": client}
        yield existing


def describe_pool(stack: LocalStack, pool: str) -> dict[str, Any]:
    cognito = stack.client("cognito-idp")
    description: dict[str, Any] = cognito.describe_user_pool(UserPoolId=pool)["UserPool"]
    return description | {"mfa": cognito.get_user_pool_mfa_config(UserPoolId=pool)["SoftwareTokenMfaConfiguration"]}
