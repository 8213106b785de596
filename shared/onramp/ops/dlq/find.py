"""One dead letter by its message id, or by as much of it as is unique."""

from __future__ import annotations

from onramp.ops.desk import Desk
from onramp.ops.dlq.letters import Letter
from onramp.ops.dlq.parts import Parts
from onramp.ops.dlq.scan import counted
from onramp.ops.dlq.walk import Walk
from onramp.ops.errors import DeskError

WHOLE = 36  # a message id is a UUID
SHOWN = 5


def found(desk: Desk, parts: Parts, identity: str) -> Letter:
    """Stops as soon as it is certain. Raises DeskError where there is none, or more than one."""
    matches: list[Letter] = []
    with Walk(parts, parts.dead) as walk:
        for letter in counted(desk, walk):
            if letter.id.startswith(identity):
                matches.append(letter)
                if len(identity) == WHOLE or len(matches) > SHOWN:
                    break
    match matches:
        case [letter]:
            return letter
        case []:
            raise DeskError(f"no dead letter begins with '{identity}': `onramp dlq list` shows some.")
    ids = ", ".join(letter.id for letter in matches[:SHOWN])
    raise DeskError(f"several dead letters begin with '{identity}': {ids}{' ...' if len(matches) > SHOWN else ''}.")
