"""What a function returns to Lambda's runtime client."""

from __future__ import annotations

import json
from typing import Any


def encodable(event: Any) -> Any:
    """`event` in a form that Lambda's runtime client can send.

    `awslambdaric` serialises with `ensure_ascii=False` on Python 3.12 and later and then encodes as UTF-8: a lone
    surrogate anywhere in the event would fail the call after the record was written. It is replaced by `?`.
    """
    text = json.dumps(event, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.loads(text.encode(errors="replace"))
    return event
