"""Sentences of `onramp status` that a healthy stack never shows."""

from __future__ import annotations

import uuid

import pytest

from onramp.ops.status.report import PARTS, PROVIDER_METRICS
from onramp.usecases.messages import RETRIES_EXHAUSTED, MessageOutcome, Result
from tests.dlq_scenario import DlqScenario
from tests.pipeline import QUEUE


def providers(**last_hour: int) -> str:
    part = {name: {"last5Minutes": 0, "lastHour": last_hour.get(name, 0)} for name in PROVIDER_METRICS}
    return PARTS["providers"][1](part)


def test_a_malformed_message_is_no_refusal_by_a_provider() -> None:
    assert providers(PermanentFailure=3) == "no error in the last hour"
    assert providers(PermanentFailure=5, ProviderRefused=2) == "refused for good 0 (2 in the last hour)"


@pytest.mark.parametrize(
    ("result", "refused"),
    [
        (Result(MessageOutcome.DEAD_LETTERED, "sub", "stripe", "stripe_refused_400"), True),
        (Result(MessageOutcome.DEAD_LETTERED, None, "receive", "malformed_event"), False),
        (Result(MessageOutcome.DEAD_LETTERED, "sub", "stripe", RETRIES_EXHAUSTED), False),
        (Result(MessageOutcome.PROVISIONED, "sub"), False),
    ],
)
def test_the_worker_counts_refusals_by_providers_alone(result: Result, *, refused: bool) -> None:
    assert result.refused_by_provider is refused


def test_the_worker_publishes_it_beside_the_permanent_failure() -> None:
    with DlqScenario() as scenario:
        scenario.refuse("ada@example.com", str(uuid.uuid4()))
        scenario.sqs.put(QUEUE, "no JSON at all")
        scenario.run_worker()
        log = scenario.log.getvalue()
    assert (log.count('"ProviderRefused":['), log.count('"PermanentFailure":[')) == (1, 2)


def test_provider_and_code_are_named() -> None:
    causes = [{"step": "stripe", "errorCode": "stripe_503", "users": 35}]
    sentence = PARTS["waitingFor"][1]({"sample": 40, "causes": causes})
    assert sentence.startswith("stripe stripe_503 35   (of 40 owed users looked at")
    assert PARTS["waitingFor"][1]({"sample": 0, "causes": []}) == "no owed user has a failed step"
