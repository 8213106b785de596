"""What can go wrong with the local stack. Each error is one sentence that says what to do.

LocalStackError
├── PortTakenError              choose another port
├── ServerFailedError           the process that serves everything did not come up, or died
└── DeployError                 the template did not become a stack
    ├── UnknownResourceTypeError    the emulator cannot make it and it is not on the list of what is left out
    └── StackFailedError            CloudFormation gave up; carries what the stack's events say
"""

from __future__ import annotations

from collections.abc import Sequence


class LocalStackError(RuntimeError):
    """The local stack could not be brought up."""


class PortTakenError(LocalStackError):
    def __init__(self, port: int) -> None:
        super().__init__(
            f"Port {port} is taken: stop what is using it, or choose another with --port (0 takes a free one)."
        )


class ServerFailedError(LocalStackError):
    def __init__(self, reason: str) -> None:
        super().__init__(f"The embedded AWS failed: {reason}.")


class DeployError(LocalStackError):
    """The template could not be deployed."""


class UnknownResourceTypeError(DeployError):
    def __init__(self, types: str) -> None:
        super().__init__(
            f"The embedded AWS does not know {types}: add it to LEFT_OUT in onramp/local/localize.py "
            "if the pipeline runs without it."
        )


class StackFailedError(DeployError):
    def __init__(self, status: str, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__(f"The stack ended as {status}: {'; '.join(reasons) or 'no reason was given'}")
