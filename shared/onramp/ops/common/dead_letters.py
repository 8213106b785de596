"""A dead letter, whoever put it there and however much it says of itself.

ProvisioningDlq    the worker says step, reason, error code, attempts, first failure and code version
                   SQS, after crashes, says nothing: the profile's step record tells (`explained_by`)
EventDeliveryDlq   EventBridge says ERROR_CODE, ERROR_MESSAGE, RULE_ARN, ...; the body is the event itself
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from onramp.domain.event_data import usable_time
from onramp.domain.identity import canonical_email, usable_sub
from onramp.domain.users import Profile

PROVISIONING, DELIVERY, TABLE = "provisioning", "delivery", "table"
UNKNOWN = "unknown"
DELIVER = "deliver"
POISON = "malformed_event"
"""Nothing an operator mends makes it work: redriven only where it is asked for."""


@dataclass(frozen=True, slots=True)
class Letter:
    """`queue` is where it lies; a `table` letter stands for a user whose copy has expired. Times in Unix milliseconds.

    `explained`: it carries its reason itself. `kept_until`: until then (monotonic seconds) it is hidden from others.
    """

    queue: str
    id: str
    body: str
    step: str
    reason: str
    error_code: str
    failed_at: int
    sent_at: int
    attempts: int | None = None
    code_version: str | None = None
    explained: bool = True
    receives: int = 0
    attributes: Mapping[str, str] = field(default_factory=dict)
    user_id: str | None = None
    sub: str | None = None
    kept_until: float = float("inf")

    @property
    def key(self) -> str:
        """One of these is sent once: the sub, where it has one."""
        return self.sub or self.id


def letter_from(queue: str, message: Mapping[str, Any], kept_until: float) -> Letter:
    """A message as ReceiveMessage returns it. Never raises: whatever lies in the queue must be shown."""
    said = {name: value.get("StringValue", "") for name, value in message.get("MessageAttributes", {}).items()}
    system = message.get("Attributes", {})
    sent_at = usable_time(_number(system.get("SentTimestamp"))) or 0
    user_id, sub = addressee(message["Body"])
    letter = Letter(
        queue=queue,
        id=message["MessageId"],
        body=message["Body"],
        step=UNKNOWN,
        reason=UNKNOWN,
        error_code=UNKNOWN,
        failed_at=sent_at,
        sent_at=sent_at,
        explained=False,
        receives=_number(system.get("ApproximateReceiveCount")) or 0,
        attributes=said,
        user_id=user_id,
        sub=sub,
        kept_until=kept_until,
    )
    if "ERROR_CODE" in said or "RULE_ARN" in said:
        return _of_the_rule(letter, said)
    return _of_the_worker(letter, said) if "reason" in said else letter


def _of_the_worker(letter: Letter, said: Mapping[str, str]) -> Letter:
    return replace(
        letter,
        step=said.get("step", UNKNOWN),
        reason=said["reason"],
        error_code=said.get("errorCode", UNKNOWN),
        attempts=_number(said.get("attempts")),
        failed_at=_millis(said.get("firstFailedAt")) or letter.sent_at,
        code_version=said.get("codeVersion"),
        explained=True,
    )


def _of_the_rule(letter: Letter, said: Mapping[str, str]) -> Letter:
    code = said.get("ERROR_CODE", UNKNOWN)
    attempts = _number(said.get("RETRY_ATTEMPTS"))
    return replace(letter, step=DELIVER, reason=code, error_code=code, attempts=attempts, explained=True)


def explained_by(letter: Letter, profile: Profile | None) -> Letter:
    """A letter without a reason of its own, with what the profile says of the step that failed last."""
    step, record = last_failure(profile)
    code, version = str(record.get("errorCode", UNKNOWN)), record.get("codeVersion")
    return replace(
        letter,
        step=step,
        reason=code,
        error_code=code,
        attempts=_whole(record.get("attempts")),
        code_version=None if version is None else str(version),
    )


def last_failure(profile: Profile | None) -> tuple[str, Mapping[str, Any]]:
    """Name and record of the step that failed last; one given up counts before one being retried."""
    unfinished = [
        (step, record)
        for step, record in (profile.steps if profile else {}).items()
        if isinstance(record, dict) and record.get("state") in ("failed", "retrying")
    ]
    none: tuple[str, dict[str, Any]] = (UNKNOWN, {})
    return max(
        unfinished, key=lambda found: (found[1]["state"] == "failed", _whole(found[1].get("at")) or 0), default=none
    )


def addressee(body: str) -> tuple[str | None, str | None]:
    """`userId` and sub of the user that an event is about, each None where it is unusable."""
    try:
        data = json.loads(body)["detail"]["data"]
        user_id, sub = data["userId"], data["cognitoSub"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None, None
    # Another spelling than the canonical one is nobody's key.
    return user_id if canonical_email(user_id) == user_id else None, usable_sub(sub)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 20 else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _millis(text: str | None) -> int | None:
    try:
        parsed = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return usable_time(round((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * 1000))
