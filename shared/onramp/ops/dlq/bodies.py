"""A dead letter's body for the eye: whatever may be personal is masked, and what cannot be read is not shown."""

from __future__ import annotations

import json
from typing import Any

from onramp.ops.common.text import masked, masked_email

# Everything that is not known to be harmless is masked: events gain fields over time.
HARMLESS = frozenset(
    {
        "version", "id", "detail-type", "source", "account", "time", "region", "resources", "eventId", "schemaVersion",
        "occurredAt", "correlationId", "origin", "cognitoSub", "userPoolId", "emailVouchedBy", "roles", "onboarding",
        "identityProvider", "signedUpAt",
    }
)  # fmt: skip


def shown_body(body: str, *, reveal: bool) -> Any:
    """The event as data; text that is no JSON only if it may be revealed."""
    try:
        event = json.loads(body)
        return event if reveal else _masked(event, harmless=False)
    except (ValueError, RecursionError):
        return body if reveal else f"no JSON, {len(body)} characters: --reveal shows it"


def _masked(value: Any, *, harmless: bool) -> Any:
    match value:
        case dict():
            return {
                (name if _is_word(name) else masked(name)): _masked(inner, harmless=name in HARMLESS)
                for name, inner in value.items()
            }
        case list():
            return [_masked(inner, harmless=harmless) for inner in value]
        case str() if not harmless:
            return masked_email(value) if "@" in value else masked(value)
    return value


def _is_word(name: str) -> bool:
    """A field's name, and not a value used as one."""
    return name.isascii() and name.replace("-", "").replace("_", "").isalnum() and len(name) <= 40
