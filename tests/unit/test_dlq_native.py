"""SQS's own redrive: the destination is always named; a running move is only waited for; a failed one is an error."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from onramp.ops.common.errors import CommandFailed
from onramp.ops.dlq.native import NativeMove, move_all
from onramp.ops.dlq.wiring import DlqWiring
from tests.dlq_scenario import DlqScenario
from tests.pipeline import DLQ, QUEUE


@pytest.fixture
def scenario() -> Iterator[DlqScenario]:
    with DlqScenario() as scenario:
        yield scenario


@dataclass
class SqsMoves:
    """The SQS operations of a move; `states` are the replies of successive ListMessageMoveTasks."""

    get_arn: Any
    states: list[dict[str, Any]]
    started: list[dict[str, Any]] = field(default_factory=list)

    def get_queue_attributes(self, **request: Any) -> Any:
        return self.get_arn(**request)

    def start_message_move_task(self, **request: Any) -> None:
        self.started.append(request)

    def list_message_move_tasks(self, **_: Any) -> dict[str, Any]:
        return {"Results": [self.states.pop(0)] if self.states else []}


def move(scenario: DlqScenario, *states: dict[str, Any], rate: int = 0) -> tuple[int, list[dict[str, Any]]]:
    context = scenario.context()
    context.clients["sqs"] = moves = SqsMoves(scenario.sqs.get_queue_attributes, list(states))
    count = move_all(context, NativeMove(DlqWiring.of(context)), rate, yes=True)
    return count, moves.started


def state(status: str, moved: int = 0, **more: Any) -> dict[str, Any]:
    return {"Status": status, "ApproximateNumberOfMessagesMoved": moved, **more}


def test_it_names_the_destination_and_waits_for_the_end(scenario: DlqScenario) -> None:
    last = state("COMPLETED", 7)
    count, (started,) = move(scenario, last, state("RUNNING", 0), state("RUNNING", 5), state("COMPLETED", 12), rate=900)
    assert count == 12
    assert started["SourceArn"] == scenario.sqs.arn(DLQ)
    assert started["DestinationArn"] == scenario.sqs.arn(QUEUE)
    assert started["MaxNumberOfMessagesPerSecond"] == 500, "SQS's limit"
    (row,) = scenario.audit()
    assert (row["what"], row["count"], row["result"]) == ("dlq redrive --native", 12, "done")


def test_a_running_move_is_waited_for_and_no_second_one_is_started(scenario: DlqScenario) -> None:
    count, started = move(scenario, state("RUNNING", 1), state("RUNNING", 2), state("COMPLETED", 3))
    assert (count, started) == (3, [])


@pytest.mark.parametrize("status", ["FAILED", "CANCELLED"])
def test_a_move_that_does_not_complete_is_an_error(scenario: DlqScenario, status: str) -> None:
    failed = state(status, 4, FailureReason="CouldNotDetermineMessageSource")
    with pytest.raises(CommandFailed, match="SQS moved 4 and stopped"):
        move(scenario, state("COMPLETED"), failed)
