"""The errors of the local stack. Each message is one sentence that names the fix where there is one.

LocalStackError
├── NotInCloneError             installed as a package, without the template and the emulator
├── PortTakenError              choose another port
├── AlreadyRunningError         the directory has a running stack
├── ServerFailedError           the server process did not start, or it ended
└── DeployError                 the template was not deployed
    ├── UnknownResourceTypeError    a type that the emulator does not support and localize.LEFT_OUT does not list
    └── StackFailedError            CloudFormation failed; `reasons` come from the stack's events
"""

from __future__ import annotations

from collections.abc import Sequence


class LocalStackError(RuntimeError):
    """The local stack did not start, or it ended."""


class NotInCloneError(LocalStackError):
    def __init__(self) -> None:
        super().__init__(
            "The local stack runs in a clone of the repository, which has the template and the emulator: run"
            " `make local` or `make demo` there."
        )


class PortTakenError(LocalStackError):
    def __init__(self, port: int) -> None:
        super().__init__(
            f"Port {port} is taken: stop the process that uses it, or choose another with --port (0 = any free port)."
        )


class AlreadyRunningError(LocalStackError):
    def __init__(self, endpoint: str | None) -> None:
        super().__init__(
            f"A local stack runs already in this directory{f' ({endpoint})' if endpoint else ''}: use it, stop it with"
            " Ctrl-C in its terminal, or start the other one in another directory."
        )


class ServerFailedError(LocalStackError):
    def __init__(self, reason: str) -> None:
        super().__init__(f"The AWS emulator failed: {reason}.")


class DeployError(LocalStackError):
    """The template could not be deployed."""


class UnknownResourceTypeError(DeployError):
    def __init__(self, types: str) -> None:
        super().__init__(
            f"The AWS emulator does not support {types}: add it to LEFT_OUT in onramp/local/localize.py "
            "if the pipeline runs without it."
        )


class StackFailedError(DeployError):
    def __init__(self, status: str, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__(f"The stack ended as {status}: {'; '.join(reasons) or 'no reason given'}")
