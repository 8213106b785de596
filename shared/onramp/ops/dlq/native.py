"""SQS's own redrive: moves the whole ProvisioningDlq. It cannot filter, flips no record and checks no result.

The destination is always named: the worker sends its dead letters itself, so SQS knows no source queue for them, and a
move without a destination fails. SQS cannot move the dead-letter queue of an EventBridge rule at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from onramp.ops.common.context import OperatorContext
from onramp.ops.common.dead_letters import PROVISIONING
from onramp.ops.common.errors import CommandFailed
from onramp.ops.common.next_steps import next_step
from onramp.ops.dlq.wiring import DlqWiring

MOST_PER_SECOND = 500  # SQS's limit
POLL_SECONDS = 1.0


class NativeMove:
    def __init__(self, wiring: DlqWiring) -> None:
        self._sqs, self._sleep = wiring.sqs, wiring.sleep
        self._source = self._arn(wiring.dead_letters.urls[PROVISIONING])
        self._destination = self._arn(wiring.provisioning_queue)

    def is_running(self) -> bool:
        """SQS runs one move at a time per queue."""
        task = self._latest()
        return task is not None and task["Status"] == "RUNNING"

    def start(self, rate: int) -> None:
        """`rate` messages a second; 0 leaves the rate to SQS."""
        limit: dict[str, Any] = {"MaxNumberOfMessagesPerSecond": min(rate, MOST_PER_SECOND)} if rate else {}
        self._sqs.start_message_move_task(SourceArn=self._source, DestinationArn=self._destination, **limit)

    def wait(self, on_progress: Callable[[int, int | None], object]) -> int:
        """Returns how many were moved. Raises CommandFailed where the move failed or was cancelled."""
        while True:
            task = self._latest() or {"Status": "FAILED", "FailureReason": "SQS lists no move"}
            moved = int(task.get("ApproximateNumberOfMessagesMoved", 0))
            on_progress(moved, task.get("ApproximateNumberOfMessagesToMove"))
            match task["Status"]:
                case "COMPLETED":
                    return moved
                case "FAILED" | "CANCELLED":
                    why = task.get("FailureReason", "it was cancelled")
                    raise CommandFailed(
                        f"SQS moved {moved} and stopped ({why}); for the rest: {next_step('move_stopped')}"
                    )
            self._sleep(POLL_SECONDS)

    def _latest(self) -> Mapping[str, Any] | None:
        tasks = self._sqs.list_message_move_tasks(SourceArn=self._source, MaxResults=1).get("Results", [])
        return tasks[0] if tasks else None

    def _arn(self, url: str) -> str:
        reply = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return reply["Attributes"]["QueueArn"]


def move_all(context: OperatorContext, move: NativeMove, rate: int, *, yes: bool) -> int:
    """Confirms, starts the move and waits for its end; only waits where one is running. Ctrl-C does not stop SQS."""
    if move.is_running():
        context.out.say("SQS already moves this queue: waiting for the end of that move.")
        return _wait(context, move)
    context.out.say("SQS moves the whole ProvisioningDlq to the provisioning queue, in any order: no canary, no check.")
    context.out.say("No record is flipped: each user stays owed to the operator until the worker succeeds.")
    context.out.confirm("Ctrl-C stops this command, not the move.", yes=yes)
    with context.audited("dlq redrive --native") as entry:
        move.start(rate)
        entry.count = _wait(context, move)
    return entry.count


def _wait(context: OperatorContext, move: NativeMove) -> int:
    with context.out.progress() as bar:
        moving = bar.add_task("moved", total=None)
        return move.wait(lambda count, total: bar.update(moving, completed=count, total=total))
