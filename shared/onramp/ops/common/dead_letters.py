"""The two dead-letter queues, and a letter read from either. What a letter carries depends on its sender:

ProvisioningDlq    the worker adds step, reason, error code, attempts, first failure and code version;
                   SQS itself, after crashes, adds nothing: `add_reason` takes it from the profile's step record
EventDeliveryDlq   EventBridge adds ERROR_CODE, ERROR_MESSAGE, RULE_ARN, ...; the body is the event itself
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from onramp.adapters.profiles import ProfileTable
from onramp.domain.event_data import usable_time
from onramp.domain.identity import canonical_email, usable_sub
from onramp.domain.users import Profile
from onramp.ops.common.context import OperatorContext

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

PROVISIONING, DELIVERY, TABLE = "provisioning", "delivery", "table"
UNKNOWN = "unknown"
DELIVER = "deliver"
POISON = "malformed_event"
"""No change of configuration makes this message work: it is redriven only on request."""


@dataclass(frozen=True, slots=True)
class DeadLetterQueues:
    """`urls` maps a queue's name to its URL; `profiles` give the reason of letters that carry none."""

    sqs: SQSClient
    urls: Mapping[str, str]
    profiles: ProfileTable
    monotonic: Callable[[], float]
    threads: Callable[[int], Executor]

    @classmethod
    def of(cls, context: OperatorContext) -> Self:
        return cls(
            sqs=context.client("sqs"),
            urls={PROVISIONING: context.output("ProvisioningDlqUrl"), DELIVERY: context.output("EventDeliveryDlqUrl")},
            profiles=context.profiles,
            monotonic=context.monotonic,
            threads=context.threads,
        )


@dataclass(frozen=True, slots=True)
class Letter:
    """`queue` is its source; a `table` letter replaces one that has expired from its queue.

    `has_reason`: the message itself carries the reason. `hidden_until`: the end of its visibility timeout, in
    monotonic seconds; other times are Unix milliseconds.
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
    has_reason: bool = True
    receives: int = 0
    attributes: Mapping[str, str] = field(default_factory=dict)
    user_id: str | None = None
    sub: str | None = None
    hidden_until: float = float("inf")

    @property
    def key(self) -> str:
        """Letters with the same key are about the same user: only one of them is sent."""
        return self.sub or self.id


def letter_from(queue: str, message: Mapping[str, Any], hidden_until: float) -> Letter:
    """A message as ReceiveMessage returns it. Never raises: every message can be listed."""
    attributes = {name: value.get("StringValue", "") for name, value in message.get("MessageAttributes", {}).items()}
    system = message.get("Attributes", {})
    sent_at = usable_time(_number(system.get("SentTimestamp"))) or 0
    user_id, sub = _user_of(message["Body"])
    letter = Letter(
        queue=queue,
        id=message["MessageId"],
        body=message["Body"],
        step=UNKNOWN,
        reason=UNKNOWN,
        error_code=UNKNOWN,
        failed_at=sent_at,
        sent_at=sent_at,
        has_reason=False,
        receives=_number(system.get("ApproximateReceiveCount")) or 0,
        attributes=attributes,
        user_id=user_id,
        sub=sub,
        hidden_until=hidden_until,
    )
    if "ERROR_CODE" in attributes or "RULE_ARN" in attributes:
        return _from_eventbridge(letter)
    return _from_worker(letter) if "reason" in attributes else letter


def _from_worker(letter: Letter) -> Letter:
    attributes = letter.attributes
    return replace(
        letter,
        step=attributes.get("step", UNKNOWN),
        reason=attributes["reason"],
        error_code=attributes.get("errorCode", UNKNOWN),
        attempts=_number(attributes.get("attempts")),
        failed_at=_millis(attributes.get("firstFailedAt")) or letter.sent_at,
        code_version=attributes.get("codeVersion"),
        has_reason=True,
    )


def _from_eventbridge(letter: Letter) -> Letter:
    code = letter.attributes.get("ERROR_CODE", UNKNOWN)
    attempts = _number(letter.attributes.get("RETRY_ATTEMPTS"))
    return replace(letter, step=DELIVER, reason=code, error_code=code, attempts=attempts, has_reason=True)


def add_reason(letter: Letter, profile: Profile | None) -> Letter:
    """A letter that carries no reason, with the profile's record of the step that failed last."""
    step, record = last_failure(profile)
    code = record.get("errorCode", UNKNOWN)
    return replace(
        letter,
        step=step,
        reason=record.get("reason", code),
        error_code=code,
        attempts=record.get("attempts"),
        code_version=record.get("codeVersion"),
    )


def last_failure(profile: Profile | None) -> tuple[str, Mapping[str, Any]]:
    """Name and record of the step that failed last; a failed step comes before one that is still retried."""
    unfinished = [
        (step, record)
        for step, record in (profile.steps if profile else {}).items()
        if record.get("state") in ("failed", "retrying")
    ]
    none: tuple[str, dict[str, Any]] = (UNKNOWN, {})
    return max(unfinished, key=lambda step: (step[1]["state"] == "failed", step[1].get("at", 0)), default=none)


def _user_of(body: str) -> tuple[str | None, str | None]:
    """`userId` and sub of the user that an event is about, each None where it is unusable."""
    try:
        data = json.loads(body)["detail"]["data"]
        user_id, sub = data["userId"], data["cognitoSub"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None, None
    # The table has no key in another spelling than the canonical one.
    return user_id if canonical_email(user_id) == user_id else None, usable_sub(sub)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 20 else None


def _millis(text: str | None) -> int | None:
    try:
        parsed = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return usable_time(round((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp() * 1000))
