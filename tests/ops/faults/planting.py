"""What every planted fault needs: the stack, and what the doctor is to say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from onramp.local.stack import LocalStack

Undo = Callable[[], object]


class Planting:
    """Each method plants a fault and returns how to undo it; it undoes nothing where the test runs the cure."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack, self.client, self.outputs = stack, stack.client, stack.outputs
        self.pool = self.outputs["UserPoolId"]
        self.trigger = self.outputs["PostConfirmationFunctionName"]
        self.worker = self.outputs["EnrichProfileFunctionName"]
        self.healer = self.outputs["HealSignupFunctionName"]

    def _set_attributes(self, output: str, **attributes: str) -> Undo:
        sqs, url = self.client("sqs"), self.outputs[output]
        sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
        return lambda: None


class Fault(NamedTuple):
    """`what` is a part of the first finding, `cure` one or several ("a ... b"). `runs` False: the cure is a deployment,
    or a command that only looks.

    `cures`: how many have to be run, one after the other, each as the doctor then prints it.
    """

    plant: Callable[[Any], Undo]
    group: str
    level: str
    what: str
    cure: str
    runs: bool = True
    cures: int = 1

    @property
    def cure_parts(self) -> list[str]:
        return self.cure.split(" ... ")
