"""SQS's own redrive: the whole ProvisioningDlq, nothing chosen, nothing flipped, nothing verified.

The destination is always named: the worker sends its dead letters itself, so they have no source to go back to and a
move without one fails. A rule's dead-letter queue cannot be moved at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from onramp.ops.common.context import OperatorContext
from onramp.ops.common.dead_letters import PROVISIONING
from onramp.ops.common.errors import CommandFailed
from onramp.ops.dlq.wiring import DlqWiring

FASTEST = 500
LOOK_EVERY_SECONDS = 1.0


class NativeMove:
    def __init__(self, parts: DlqWiring) -> None:
        self._parts = parts
        self._source, self._destination = (
            self._arn(url) for url in (parts.dead[PROVISIONING], parts.provisioning_queue)
        )

    def running(self) -> Mapping[str, Any] | None:
        """The move under way, if there is one: SQS takes one at a time."""
        task = self._latest()
        return task if task and task["Status"] == "RUNNING" else None

    def start(self, rate: int) -> None:
        """`rate` a second; 0 leaves it to SQS."""
        paced = {"MaxNumberOfMessagesPerSecond": min(rate, FASTEST)} if rate else {}
        self._parts.sqs.start_message_move_task(SourceArn=self._source, DestinationArn=self._destination, **paced)

    def watch(self, on_progress: Callable[[int, int | None], object]) -> int:
        """Returns how many were moved. Raises Trouble where the move failed or was cancelled."""
        while True:
            task = self._latest() or {"Status": "FAILED", "FailureReason": "SQS knows of no move"}
            move_all = int(task.get("ApproximateNumberOfMessagesMoved", 0))
            on_progress(move_all, task.get("ApproximateNumberOfMessagesToMove"))
            match task["Status"]:
                case "COMPLETED":
                    return move_all
                case "FAILED" | "CANCELLED":
                    why = task.get("FailureReason", "it was cancelled")
                    raise CommandFailed(
                        f"SQS moved {move_all} and stopped ({why}): run `onramp dlq redrive` for the rest."
                    )
            self._parts.sleep(LOOK_EVERY_SECONDS)

    def _latest(self) -> Mapping[str, Any] | None:
        tasks = self._parts.sqs.list_message_move_tasks(SourceArn=self._source, MaxResults=1).get("Results", [])
        return tasks[0] if tasks else None

    def _arn(self, url: str) -> str:
        reply = self._parts.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return str(reply["Attributes"]["QueueArn"])


def move_all(context: OperatorContext, move: NativeMove, rate: int, *, yes: bool) -> int:
    """Asks, moves and watches; a move under way is only watched. Ctrl-C ends the watching: SQS goes on."""
    if move.running():
        context.out.say("SQS is moving this queue already: watching that move.")
        return _watched(context, move)
    context.out.say("SQS moves the whole ProvisioningDlq to the provisioning queue, in any order: no canary, no proof.")
    context.out.say("What is owed is not flipped: each user stays owed to the operator until the worker succeeds.")
    context.out.confirm("Ctrl-C stops the watching, not the move.", yes=yes)
    with context.audited("dlq redrive --native") as entry:
        move.start(rate)
        entry.count = _watched(context, move)
    return entry.count


def _watched(context: OperatorContext, move: NativeMove) -> int:
    with context.out.progress() as bar:
        moving = bar.add_task("moved", total=None)
        return move.watch(lambda count, total: bar.update(moving, completed=count, total=total))
