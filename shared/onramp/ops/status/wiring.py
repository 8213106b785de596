"""The parts of `onramp status`, from the stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from onramp.ops.common.context import OperatorContext
from onramp.ops.common.deployment import Deployment
from onramp.ops.common.metrics import Metrics


@dataclass(frozen=True, slots=True)
class StatusWiring:
    """For one reading: queues and counts are read once."""

    stack: Deployment
    metrics: Metrics

    @classmethod
    def of(cls, context: OperatorContext) -> Self:
        stack = Deployment.of(context)
        return cls(stack, Metrics(context.client("cloudwatch"), stack.name))
