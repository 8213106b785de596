"""A stack without faults, and the faults that tests plant in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from onramp.local.parameters import REGION
from onramp.local.stack import LocalStack
from tests.conftest import QUICK
from tests.ops.faults import alarms, bus, consumers, functions, owed, pool, queues, reconciler, secrets
from tests.ops.faults.alarms import TOPIC
from tests.ops.faults.planting import Fault
from tests.ops.faults.secrets import KEYS, REVENUECAT, STRIPE


@contextmanager
def healthy_stack() -> Iterator[LocalStack]:
    """Its doctor finds no fault but the planted ones."""
    parameters = {"AlarmTopicArn": TOPIC, "VisibilityTimeoutSeconds": "360"}
    parameters |= {"HealOnSignIn": "true", "PostConfirmationReservedConcurrency": "50"}
    parameters |= {"StripeSecretName": STRIPE, "RevenueCatSecretName": REVENUECAT}
    with LocalStack.start(enforce_iam=True, parameters=QUICK | parameters) as own:
        own.client("sns").create_topic(Name="pager")
        _subscribe(own.client("sns"))
        trigger = own.outputs["PostConfirmationFunctionName"]  # the emulator's CloudFormation does not reserve
        own.client("lambda").put_function_concurrency(FunctionName=trigger, ReservedConcurrentExecutions=50)
        for name, key in ((STRIPE, KEYS["stripe"]), (REVENUECAT, KEYS["revenuecat"])):
            own.client("ssm").put_parameter(Name=name, Value=key, Type="SecureString", Overwrite=True)
        yield own


def _subscribe(sns: Any) -> None:
    """SNS confirms a queue of the same account at once."""
    sns.subscribe(TopicArn=TOPIC, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:000000000000:pager")


class FaultyStack(
    pool.PoolFaults,
    functions.FunctionFaults,
    consumers.ConsumerFaults,
    bus.BusFaults,
    queues.QueueFaults,
    secrets.SecretFaults,
    reconciler.ReconcilerFaults,
    alarms.AlarmFaults,
    owed.OwedFaults,
):
    """A method for each fault."""


FAULTS: list[Fault] = [
    *pool.FAULTS,
    *functions.FAULTS,
    *consumers.FAULTS,
    *bus.FAULTS,
    *queues.FAULTS,
    *secrets.FAULTS,
    *reconciler.FAULTS,
    *alarms.FAULTS,
    *owed.FAULTS,
]
