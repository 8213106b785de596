"""The options that several command groups declare."""

from __future__ import annotations

from typing import Annotated

import typer

Reveal = Annotated[bool, typer.Option("--reveal", help="Show personal data unmasked; the audit log records it.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it without asking.")]
