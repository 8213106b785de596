"""Every error Onramp raises on purpose, by what the caller does about it.

OnrampError
├── ConfigurationError   a setting is missing or unusable: mend the template or a parameter
├── Rejection            this signup may not be provisioned: tell nobody why, log the cause
├── Skipped              an enricher has nothing to do here: not a failure
├── RetryableError       the same call may succeed later
│   ├── KeyRejected      the provider refused our key: the operator's fault, never the message's
│   └── EventsRefused    the bus took some of the events, not all
└── PermanentError       trying again cannot help: dead-letter it with its reason
"""

from __future__ import annotations

from enum import StrEnum


class OnrampError(Exception):
    """Base of all errors raised on purpose."""


class ConfigurationError(OnrampError):
    """A setting is missing or unusable. The text names each one."""


class Cause(StrEnum):
    """Why a signup was rejected: for the log and the metric, never for the user."""

    MALFORMED_EVENT = "malformed_event"
    UNKNOWN_USER_POOL = "unknown_user_pool"
    UNUSABLE_SUB = "unusable_sub"
    UNUSABLE_EMAIL = "unusable_email"
    NOBODY_VOUCHES = "nobody_vouches"
    LINK_NEEDS_VERIFIED_EMAIL = "link_needs_verified_email"
    LINKED_TO_ANOTHER_SUB = "linked_to_another_sub"


class Rejection(OnrampError):
    """The signup may not be provisioned; nothing was written. `sub` tells whose it was, where that is known."""

    def __init__(self, cause: Cause, sub: str | None = None) -> None:
        super().__init__(cause.value)
        self.cause = cause
        self.sub = sub


class Skipped(OnrampError):
    """The enricher is not configured; the user becomes ready without it."""


class RetryableError(OnrampError):
    """The same call may succeed later.

    `code` is a stable word for logs and step records; `delay` the seconds the other side asked us to wait; `step` the
    enricher it happened in, set by whoever ran it.
    """

    step = "store"

    def __init__(self, code: str, *, delay: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.delay = delay


class KeyRejected(RetryableError):
    """401 or 403 from a provider: raises the `ProviderKeyRejected` alarm."""

    def __init__(self, provider: str, status: int) -> None:
        super().__init__(f"{provider}_key_rejected_{status}")


class EventsRefused(RetryableError):
    """PutEvents answered 200 and refused entries: `codes` maps the position of each to its error code."""

    def __init__(self, codes: dict[int, str]) -> None:
        super().__init__("put_events_" + "_".join(sorted(set(codes.values()))))
        self.codes = codes


class PermanentError(OnrampError):
    """Trying again cannot help. `reason` groups dead letters; `code` is the other side's own word, if any."""

    step = "receive"

    def __init__(self, reason: str, *, code: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code or reason
