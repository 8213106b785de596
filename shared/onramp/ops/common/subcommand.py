"""Runs another `onramp` command for the same stack, as an operator would, and reads its JSON."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

from onramp.ops.common.context import OperatorContext
from onramp.ops.common.shell import CallOptions


@dataclass(frozen=True, slots=True)
class Subcommand:
    """`main` runs a command line without its program name."""

    context: OperatorContext
    main: Callable[[Sequence[str]], object]
    words: tuple[str, ...]

    def __call__(self, *options: str) -> Any:
        """The command's result. Raises what the command raises, as UsageError."""
        context = self.context
        first = CallOptions(context.stack_name, context.profile, context.region).of_onramp
        with redirect_stdout(io.StringIO()) as printed:
            self.main([*first, "--json", *self.words, *options])
        return json.loads(printed.getvalue())
