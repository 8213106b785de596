"""`onramp local up`: what it says before the stack starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from onramp.local.stack import LocalStack
from onramp.ops.local import app


@pytest.mark.parametrize(("options", "warns"), [(["--stripe-url", "http://127.0.0.1:9"], True), ([], False)])
def test_a_foreign_stripe_may_create_duplicates(
    options: list[str], warns: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(LocalStack, "start", interrupted)
    said = " ".join(CliRunner().invoke(app, ["up", *options]).output.split())
    assert ("creates a second customer" in said) is warns
