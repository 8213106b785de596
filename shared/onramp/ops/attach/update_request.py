"""The request of UpdateUserPool that repeats every setting of DescribeUserPool's answer.

UpdateUserPool resets what a request leaves out. The members to repeat are read from botocore's model of both calls, so
that a setting which Cognito gains later is repeated, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.model import Shape

if TYPE_CHECKING:
    from mypy_boto3_cognito_idp.client import CognitoIdentityProviderClient

RENAMED = {"PoolName": "Name"}
DUPLICATES = {
    # Described here and in VerificationMessageTemplate; a request may have both only where they agree.
    "SmsVerificationMessage": "SmsMessage",
    "EmailVerificationMessage": "EmailMessage",
    "EmailVerificationSubject": "EmailSubject",
}
_ABSENT: Any = object()


def update_shape(client: CognitoIdentityProviderClient) -> Shape | None:
    return client.meta.service_model.operation_model("UpdateUserPool").input_shape


def update_request(pool: Mapping[str, Any], shape: Any) -> dict[str, Any]:
    """The request for `pool` as DescribeUserPool describes it; it always has `LambdaConfig`."""
    renamed = {name: pool[described] for name, described in RENAMED.items() if described in pool}
    request: dict[str, Any] = _accepted({**pool, **renamed, "UserPoolId": pool["Id"]}, shape)
    request["LambdaConfig"] = request.get("LambdaConfig", {})
    _drop_conflicting_passwords(request)
    template = request.get("VerificationMessageTemplate", {})
    for name, within in DUPLICATES.items():
        if name in request and template.get(within, request[name]) != request[name]:
            del request[name]
    if tags := request.get("UserPoolTags"):  # AWS's own tags are described, and refused in a request
        request["UserPoolTags"] = {key: value for key, value in tags.items() if not key.startswith("aws:")}
    return request


def _drop_conflicting_passwords(request: dict[str, Any]) -> None:
    """Cognito describes one setting under two names, and refuses the older name beside the newer."""
    policy = request.get("Policies", {}).get("PasswordPolicy", {})
    if "TemporaryPasswordValidityDays" in policy:
        request.get("AdminCreateUserConfig", {}).pop("UnusedAccountValidityDays", None)
    if policy.get("PasswordHistorySize") == 0:  # Cognito accepts 0 only on a plan that has the feature
        del policy["PasswordHistorySize"]


def _accepted(value: Any, shape: Any) -> Any:
    """The part of `value` that a request may have: Cognito describes absent members as empty, and refuses these."""
    match shape.type_name:
        case "structure":
            members = {
                name: accepted
                for name, member in shape.members.items()
                if value.get(name) is not None and (accepted := _accepted(value[name], member)) is not _ABSENT
            }
            return members if members and all(name in members for name in shape.required_members) else _ABSENT
        case "list":
            items = [accepted for item in value if (accepted := _accepted(item, shape.member)) is not _ABSENT]
            return items if len(items) >= shape.metadata.get("min", 0) else _ABSENT
        case "string" if not value:
            return _ABSENT
    return value
