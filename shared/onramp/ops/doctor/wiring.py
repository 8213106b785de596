"""The parts of `onramp doctor`, from the stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from onramp.ops.common.context import OperatorContext
from onramp.ops.common.deployment import Deployment
from onramp.ops.doctor.canary import Canary


@dataclass(frozen=True, slots=True)
class DoctorWiring:
    stack: Deployment
    canary: Canary

    @classmethod
    def of(cls, context: OperatorContext) -> Self:
        stack = Deployment.of(context)
        return cls(stack, Canary(stack, context.users, context.profiles, context.sleep))
