"""One dead letter by its message id, or by as much of it as is unique."""

from __future__ import annotations

from onramp.ops.common.context import OperatorContext
from onramp.ops.common.dead_letters import Letter
from onramp.ops.common.errors import UsageError
from onramp.ops.common.queue_reader import QueueReader
from onramp.ops.dlq.scan import with_progress
from onramp.ops.dlq.wiring import DlqWiring

WHOLE = 36  # a message id is a UUID
SHOWN = 5


def find_letter(context: OperatorContext, parts: DlqWiring, identity: str) -> Letter:
    """Stops as soon as it is certain. Raises DeskError where there is none, or more than one."""
    matches: list[Letter] = []
    with QueueReader(parts, parts.dead) as walk:
        for letter in with_progress(context, walk):
            if letter.id.startswith(identity):
                matches.append(letter)
                if len(identity) == WHOLE or len(matches) > SHOWN:
                    break
    match matches:
        case [letter]:
            return letter
        case []:
            raise UsageError(f"no dead letter begins with '{identity}': `onramp dlq list` shows some.")
    ids = ", ".join(letter.id for letter in matches[:SHOWN])
    raise UsageError(f"several dead letters begin with '{identity}': {ids}{' ...' if len(matches) > SHOWN else ''}.")
