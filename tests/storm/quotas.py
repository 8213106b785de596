"""The limits that no setting of the template changes, each with the page that states it.

Confirmed in stored copies of these pages: Cognito's UserCreation, the pollers, DynamoDB, EventBridge's invocations. The
others were not looked up again.
"""

from __future__ import annotations

from dataclasses import dataclass

READ_ON = "November 2026"


@dataclass(frozen=True)
class Quota:
    """`page`: the title of the documentation page. `per` is empty for a number at one time."""

    name: str
    value: float
    per: str
    page: str
    can_be_raised: bool = True

    @property
    def per_second(self) -> float:
        return self.value / {"": 1, "second": 1, "10 seconds": 10, "minute": 60}[self.per]


COGNITO_CREATION = Quota("Cognito, category UserCreation", 50, "second", "Quotas in Amazon Cognito")
COGNITO_LIST = Quota("Cognito, category UserList (ListUsers)", 30, "second", "Quotas in Amazon Cognito")
LAMBDA_CONCURRENCY = Quota("Lambda, concurrent executions of an account", 1_000, "", "Lambda quotas")
LAMBDA_SCALING = Quota(
    "Lambda, new environments of a function", 1_000, "10 seconds", "Lambda scaling behavior", can_be_raised=False
)
POLLERS_FIRST = Quota(
    "Lambda, concurrent batches of a queue at first",
    5,
    "",
    "Configuring scaling behavior for SQS event source mappings",
    can_be_raised=False,
)
POLLERS_GROWTH = Quota(
    "Lambda, more concurrent batches of a queue",
    300,
    "minute",
    "Configuring scaling behavior for SQS event source mappings",
    can_be_raised=False,
)
POLLERS_MOST = Quota(
    "Lambda, concurrent batches of a queue at most",
    1_250,
    "",
    "Configuring scaling behavior for SQS event source mappings",
    can_be_raised=False,
)
TABLE_WRITES = Quota(
    "DynamoDB, writes to a new on-demand table",
    4_000,
    "second",
    "Understanding DynamoDB warm throughput in different scenarios",
)
SHARD_WRITES = Quota(
    "DynamoDB, writes to one partition (one shard of OwedIndex)",
    1_000,
    "second",
    "Best practices for designing and using partition keys effectively in DynamoDB",
    can_be_raised=False,
)
PUT_EVENTS = Quota("EventBridge, PutEvents (eu-west-1)", 10_000, "second", "Amazon EventBridge quotas")
BUS_DELIVERIES = Quota("EventBridge, invocations of targets (eu-west-1)", 18_750, "second", "Amazon EventBridge quotas")
IN_FLIGHT = Quota("SQS, messages in flight of a standard queue", 120_000, "", "Amazon SQS message quotas")
STRIPE = Quota("Stripe, requests", 25, "second", "the value of tests/simulation/scale.py")
REVENUECAT = Quota("RevenueCat, requests", 480, "minute", "the value of tests/simulation/scale.py")

REQUESTS_PER_SIGNUP = 2
"""SignUp and ConfirmSignUp are both of the category UserCreation."""

ALL = tuple(value for value in globals().values() if isinstance(value, Quota))
