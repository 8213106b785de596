"""Every error that the shipped code raises on purpose, by what the caller does about it.

OnrampError
├── ConfigurationError      a setting is missing or unusable: mend the template or a parameter
├── Rejection               this signup may not be provisioned: log and count the cause, never show it to the user
├── SignUpFailed            what Cognito shows to the user, the same for every cause
├── Skipped                 a provider is not configured: not a failure
├── ReplayedFailure         Stripe replayed a stored 500: use another idempotency key (enrichers/stripe.py)
├── RetryableError          the same call may succeed later
│   ├── KeyRejected         the provider refused the key: the operator must mend it, the message waits
│   ├── SecretUnreadable    the key's SSM parameter cannot be read: the same
│   ├── EventsRefused       the bus or the queue refused some of the events, or all
│   └── TokenExpired        a ListUsers page token is too old: start at the first page
├── RetryLater              a message must come back later: report it as a batch item failure
└── PermanentError          no later attempt can succeed: dead-letter the message with the reason
"""

from __future__ import annotations

from collections.abc import Mapping
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
    """The signup may not be provisioned; nothing was written. `sub` is None where the event has no usable one."""

    def __init__(self, cause: Cause, sub: str | None = None) -> None:
        super().__init__(cause.value)
        self.cause = cause
        self.sub = sub


class SignUpFailed(OnrampError):
    """Cognito shows this text to the user, the same for every cause: a reference for support and nothing else."""

    def __init__(self, reference: str) -> None:
        super().__init__(f"We could not complete your sign-up. Please contact support and quote {reference}.")


class Skipped(OnrampError):
    """The provider is not configured; the user becomes ready without it."""


class RetryableError(OnrampError):
    """The same call may succeed later.

    `code` is a stable word for logs and step records; `delay` the seconds that the other side asked us to wait; `step`
    the enricher in which it happened, set by `usecases.steps`; `metric` the name under which the worker counts it.
    """

    step = "store"
    metric = "Retried"

    def __init__(self, code: str, *, delay: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.delay = delay


class KeyRejected(RetryableError):
    """401 or 403 from a provider. The metric has an alarm of its own."""

    metric = "ProviderKeyRejected"

    def __init__(self, provider: str, status: int) -> None:
        super().__init__(f"{provider}_key_rejected_{status}")


class EventsRefused(RetryableError):
    """Some entries of a batch were refused: `codes` maps the position of each one to its error code."""

    def __init__(self, operation: str, codes: Mapping[int, str]) -> None:
        super().__init__(f"{operation}_{'_'.join(sorted(set(codes.values())))}")
        self.codes = codes


class SecretUnreadable(RetryableError):
    """The SSM parameter of a provider's key cannot be read; the message waits. The metric has an alarm of its own."""

    metric = "SecretUnreadable"

    def __init__(self) -> None:
        super().__init__("secret_unreadable")


class TokenExpired(RetryableError):
    """A ListUsers page token is no longer valid: start again at the first page."""

    def __init__(self) -> None:
        super().__init__("list_users_token_expired")


class RetryLater(OnrampError):
    """The message comes back: report it as a batch item failure. `delay` in seconds."""

    def __init__(self, error: RetryableError, delay: float, sub: str | None) -> None:
        super().__init__(error.code)
        self.error = error
        self.delay = delay
        self.sub = sub


class PermanentError(OnrampError):
    """No later attempt can succeed. `reason` groups dead letters; `code` is the other side's own word, if any."""

    step = "receive"

    def __init__(self, reason: str, *, code: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code or reason
