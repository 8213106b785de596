"""From what DescribeUserPool says to a request of UpdateUserPool that leaves everything as it is.

UpdateUserPool sets back what a request leaves out, so everything that can be said is said again. Which members those
are is read from botocore's model of both calls: a setting that Cognito gains later is carried along, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.model import Shape

RENAMED = {"PoolName": "Name"}
TWICE = {
    # Described in both places; a request may say both, as long as they agree.
    "SmsVerificationMessage": "SmsMessage",
    "EmailVerificationMessage": "EmailMessage",
    "EmailVerificationSubject": "EmailSubject",
}
_ABSENT: Any = object()


def update_shape(client: Any) -> Shape:
    shape: Shape = client.meta.service_model.operation_model("UpdateUserPool").input_shape
    return shape


def restated(pool: Mapping[str, Any], shape: Any) -> dict[str, Any]:
    """The members of an UpdateUserPool that says of `pool` what DescribeUserPool said; `LambdaConfig` in any case."""
    renamed = {name: pool[described] for name, described in RENAMED.items() if described in pool}
    request: dict[str, Any] = _kept({**pool, **renamed, "UserPoolId": pool["Id"]}, shape)
    request["LambdaConfig"] = request.get("LambdaConfig", {})
    _settle_temporary_passwords(request)
    template = request.get("VerificationMessageTemplate", {})
    for name, within in TWICE.items():
        if name in request and template.get(within, request[name]) != request[name]:
            del request[name]
    if tags := request.get("UserPoolTags"):  # AWS's own are shown but may not be set
        request["UserPoolTags"] = {key: value for key, value in tags.items() if not key.startswith("aws:")}
    return request


def _settle_temporary_passwords(request: dict[str, Any]) -> None:
    """One setting under two names: Cognito describes both and refuses the older one beside the newer."""
    policy = request.get("Policies", {}).get("PasswordPolicy", {})
    if "TemporaryPasswordValidityDays" in policy:
        request.get("AdminCreateUserConfig", {}).pop("UnusedAccountValidityDays", None)
    if policy.get("PasswordHistorySize") == 0:  # "none" may only be said where the pool's plan has the feature
        del policy["PasswordHistorySize"]


def _kept(value: Any, shape: Any) -> Any:
    """What of `value` a request may say. Cognito describes absent things as empty ones, and refuses those."""
    match shape.type_name:
        case "structure":
            members = {
                name: kept
                for name, member in shape.members.items()
                if value.get(name) is not None and (kept := _kept(value[name], member)) is not _ABSENT
            }
            return members if members and all(name in members for name in shape.required_members) else _ABSENT
        case "list":
            items = [kept for item in value if (kept := _kept(item, shape.member)) is not _ABSENT]
            return items if len(items) >= shape.metadata.get("min", 0) else _ABSENT
        case "string" if not value:
            return _ABSENT
    return value
