"""What a resource policy grants an AWS service: as much of IAM as the policies of a trigger, a queue and a key need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

COGNITO = "cognito-idp.amazonaws.com"
INVOKE = "lambda:InvokeFunction"


class Grant(StrEnum):
    NONE = "none"
    """No statement allows the call."""
    OPEN = "open"
    """A statement allows the call for every source, and no other statement can narrow it."""
    NARROW = "narrow"
    """The statements that allow the call name this source."""


def effective_grant(
    policy: Mapping[str, Any],
    *,
    service: str,
    action: str,
    source: str,
    account: str,
    context: Mapping[str, str] | None = None,
) -> Grant:
    """What `policy` grants `service` when it acts for the resource `source` of `account`.

    `context` has the keys of a KMS encryption context: a statement that names another key does not apply.
    """
    encryption = {key.lower(): value for key, value in (context or {}).items()}
    grant = Grant.NONE
    for statement in statements_of(policy):
        if not _principal_matches(statement.get("Principal"), service):
            continue
        if not _action_matches(statement.get("Action"), action):
            continue
        conditions = dict(_conditions(statement))
        if statement.get("Effect") == "Deny":
            if not conditions:
                return Grant.NONE
            continue  # its condition is not evaluated here, such as "not over plain http"
        if not (_admits(conditions, "aws:sourcearn", source) and _admits(conditions, "aws:sourceaccount", account)):
            continue
        if not all(
            key in encryption and _admits(conditions, key, encryption[key])
            for key in conditions
            if key.startswith("kms:encryptioncontext:")
        ):
            continue
        narrow = "aws:sourcearn" in conditions and grant is not Grant.OPEN
        grant = Grant.NARROW if narrow else Grant.OPEN
    return grant


def statements_of(policy: Mapping[str, Any]) -> list[Any]:
    return _as_list(policy.get("Statement"))


def is_open(statement: Mapping[str, Any], service: str) -> bool:
    """Whether it allows calls by `service`, or by every principal, and names no source."""
    allows = statement.get("Effect") == "Allow" and _principal_matches(statement.get("Principal"), service)
    return allows and "aws:sourcearn" not in dict(_conditions(statement))


def invocation_grant(policy: Mapping[str, Any], *, alias_arn: str, user_pool_id: str) -> Grant:
    """Whether Cognito may invoke the alias for this pool, which is of the alias's own account and region."""
    _, partition, _, region, account, _ = alias_arn.split(":", 5)
    pool = f"arn:{partition}:cognito-idp:{region}:{account}:userpool/{user_pool_id}"
    return effective_grant(policy, service=COGNITO, action=INVOKE, source=pool, account=account)


def _principal_matches(principal: Any, service: str) -> bool:
    if isinstance(principal, Mapping):
        return service in _as_list(principal.get("Service")) or "*" in _as_list(principal.get("AWS"))
    return bool(principal == "*")


def _action_matches(patterns: Any, action: str) -> bool:
    return any(fnmatchcase(action.lower(), str(pattern).lower()) for pattern in _as_list(patterns))


def _conditions(statement: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Condition key in lower case -> its values: AWS ignores the case, and services write it differently."""
    for tests in (statement.get("Condition") or {}).values():
        for key, values in tests.items():
            yield str(key).lower(), _as_list(values)


def _admits(conditions: Mapping[str, list[Any]], key: str, value: str) -> bool:
    """True where the statement has no condition on `key`, too."""
    return key not in conditions or any(fnmatchcase(value, str(pattern)) for pattern in conditions[key])


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
