"""The lock of the local stack: one stack in a directory, and no file elsewhere is opened through a link."""

from __future__ import annotations

from pathlib import Path

import pytest

from onramp.local.errors import AlreadyRunningError
from onramp.local.state import LOCK_FILE, exclusive
from onramp.ops.common.errors import UsageError


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_second_stack_does_not_start() -> None:
    with exclusive(), pytest.raises(AlreadyRunningError), exclusive():
        pass
    with exclusive():
        assert LOCK_FILE.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("exists", [True, False])
def test_no_link_is_followed(tmp_path: Path, exists: bool) -> None:
    target = tmp_path / "of another program"
    if exists:
        target.write_text("kept")
    LOCK_FILE.parent.mkdir()
    LOCK_FILE.symlink_to(target)
    with pytest.raises(UsageError, match="it is a link"), exclusive():
        pass
    assert [path.read_text() for path in tmp_path.glob("of*")] == (["kept"] if exists else [])
