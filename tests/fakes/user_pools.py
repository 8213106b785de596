"""User pools whose UpdateUserPool resets every setting that a request omits, and refuses the requests Cognito refuses.

Derived from botocore's model: every request member that DescribeUserPool returns is stored and reset, so a test that no
setting is lost also covers the settings that later botocore versions add. Only tests of attach and detach use it.

    pools = FakeUserPools(clock)
    pools.add("eu-west-1_Pool", Policies={"PasswordPolicy": {"MinimumLength": 14}})
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.fakes.client import ACCOUNT, REGION, Clock, FakeClient, Reply, Request, operation, service_model

UPDATE: Any = service_model("cognito-idp").operation_model("UpdateUserPool").input_shape
POOL: Any = service_model("cognito-idp").operation_model("DescribeUserPool").output_shape
DESCRIBED: Any = POOL.members["UserPool"]
SETTABLE = [name for name in UPDATE.members if name in DESCRIBED.members]
KEEPS_ITS_VALUE = ("UserPoolTier",)
FACTORS = (
    "SmsMfaConfiguration",
    "SoftwareTokenMfaConfiguration",
    "EmailMfaConfiguration",
    "WebAuthnConfiguration",
)
TWICE = {
    "SmsVerificationMessage": "SmsMessage",
    "EmailVerificationMessage": "EmailMessage",
    "EmailVerificationSubject": "EmailSubject",
}


class FakeUserPools(FakeClient):
    service = "cognito-idp"

    def __init__(self, clock: Clock, *, validate: bool = True) -> None:
        super().__init__(clock, validate=validate)
        self.pools: dict[str, dict[str, Any]] = {}
        self.factors: dict[str, dict[str, Any]] = {}
        self.app_is_only_factor: set[str] = set()
        """Pools that refuse an update with a value for MFA."""
        self.on_update: Callable[[dict[str, Any]], None] = lambda _pool: None
        """A concurrent change of the pool, called after each update."""

    def add(self, pool_id: str, **settings: Any) -> None:
        now = self.now()
        self.pools[pool_id] = {
            "Id": pool_id,
            "Name": pool_id,
            "Arn": f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{pool_id}",
            "CreationDate": now,
            "LastModifiedDate": now,
            "EstimatedNumberOfUsers": 3,
            "SchemaAttributes": [{"Name": "sub", "Mutable": False}],
            "LambdaConfig": {},
            "MfaConfiguration": "OFF",
            **settings,
        }
        self.factors[pool_id] = {}

    @operation("UserPoolId")
    def describe_user_pool(self, request: Request) -> Reply:
        return {"UserPool": copy.deepcopy(self._pool("describe_user_pool", request))}

    @operation(" ".join(UPDATE.members))
    def update_user_pool(self, request: Request) -> Reply:
        pool = self._pool("update_user_pool", request)
        self._refuse(request, pool)
        for name in SETTABLE:
            if name in request:
                pool[name] = copy.deepcopy(request[name])
            elif name not in KEEPS_ITS_VALUE and name in pool:
                pool[name] = "OFF" if name == "MfaConfiguration" else _nothing(DESCRIBED.members[name])
        for name, within in TWICE.items():
            if message := pool.get("VerificationMessageTemplate", {}).get(within):
                pool[name] = message
        days = (pool.get("Policies") or {}).get("PasswordPolicy", {}).get("TemporaryPasswordValidityDays")
        if days is not None and pool.get("AdminCreateUserConfig"):
            pool["AdminCreateUserConfig"]["UnusedAccountValidityDays"] = (
                days  # DescribeUserPool returns this setting twice
            )
        pool["Name"] = request.get("PoolName", pool["Name"])
        pool["UserPoolTags"] = {**(pool.get("UserPoolTags") or {}), **_aws(self.pools[pool["Id"]])}
        pool["LastModifiedDate"] = self._later(pool["LastModifiedDate"])
        self.pools[pool["Id"]] = pool
        self.on_update(pool)
        return {}

    @operation("UserPoolId")
    def get_user_pool_mfa_config(self, request: Request) -> Reply:
        pool = self._pool("get_user_pool_mfa_config", request)
        return {"MfaConfiguration": pool["MfaConfiguration"], **copy.deepcopy(self.factors[pool["Id"]])}

    @operation(f"UserPoolId MfaConfiguration {' '.join(FACTORS)}")
    def set_user_pool_mfa_config(self, request: Request) -> Reply:
        pool = self._pool("set_user_pool_mfa_config", request)
        self.pools[pool["Id"]]["MfaConfiguration"] = request.get("MfaConfiguration", "OFF")
        self.factors[pool["Id"]] = {name: request[name] for name in FACTORS if name in request}
        return {}

    def _pool(self, name: str, request: Request) -> dict[str, Any]:
        if request["UserPoolId"] not in self.pools:
            message = f"User pool {request['UserPoolId']} does not exist."
            raise self.error(name, "ResourceNotFoundException", message)
        return copy.deepcopy(self.pools[request["UserPoolId"]])

    def _refuse(self, request: Request, pool: dict[str, Any]) -> None:
        def refuse(message: str) -> Exception:
            return self.error("update_user_pool", "InvalidParameterException", message)

        policy = request.get("Policies", {}).get("PasswordPolicy", {})
        unused = request.get("AdminCreateUserConfig", {}).get("UnusedAccountValidityDays")
        if "TemporaryPasswordValidityDays" in policy and unused is not None:
            raise refuse(
                "Please use TemporaryPasswordValidityDays in PasswordPolicy instead of UnusedAccountValidityDays"
            )
        template = request.get("VerificationMessageTemplate", {})
        if any(
            name in request and request[name] != template.get(within, request[name]) for name, within in TWICE.items()
        ):
            raise refuse("The message is invalid.")
        if any(tag.startswith("aws:") for tag in request.get("UserPoolTags", {})):
            raise refuse("aws: prefixed tag key names are not allowed for external use.")
        email = request.get("EmailConfiguration", {})
        if email.get("EmailSendingAccount") == "DEVELOPER" and not email.get("SourceArn"):
            raise refuse("Source ARN must be specified for DEVELOPER email sending account.")
        if pool["Id"] in self.app_is_only_factor and request.get("MfaConfiguration") not in (None, "OFF"):
            raise refuse("SMS configuration and Auto verification for phone_number are required when MFA is required")
        if empty := list(_empty_strings(request, "")):
            raise refuse(f"Value '' at '{empty[0]}' failed to satisfy constraint: Member must not be empty")

    def _later(self, before: datetime) -> datetime:
        """Later than `before` even if the clock has not advanced."""
        now = self.now()
        return now if now > before else before.replace(microsecond=before.microsecond + 1)


def _nothing(shape: Any) -> Any:
    return {"structure": {}, "map": {}, "list": [], "string": ""}.get(shape.type_name)


def _aws(pool: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in (pool.get("UserPoolTags") or {}).items() if name.startswith("aws:")}


def _empty_strings(value: Any, path: str) -> list[str]:
    if isinstance(value, dict):
        return [found for name, inner in value.items() for found in _empty_strings(inner, f"{path}.{name}")]
    return [path] if value == "" else []
