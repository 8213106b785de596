"""`make mutate`: which mutants there are, and which of them a sample holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutation import mutants
from tests.mutation.judges import Judge, judges_of
from tests.mutation.mutants import CONNECTIONS, ROOT, Mutant, mutants_of, sample

CODE = '''"""A module."""
from typing import Protocol

LIMIT = 10


class Port(Protocol):
    def read(self, most: int = 5) -> int: ...


class Reader:
    def read(self, most: int | None = None, *, fresh: bool = False) -> int:
        """Reads."""
        if most is not None and most <= LIMIT:
            log("short")
            return most + 1
        raise ValueError(f"more than {LIMIT + 1}")
'''
CHANGES = {
    ("", "LIMIT = 11"),
    ("Reader.read", "def read(self, most: int | None = None, *, fresh: bool = True) -> int:"),
    ("Reader.read", "if (most is not None or most <= LIMIT):"),
    ("Reader.read", "if (most is not None):"),
    ("Reader.read", "if (most <= LIMIT):"),
    ("Reader.read", "if (most is None) and most <= LIMIT:"),
    ("Reader.read", "if most is not None and (most < LIMIT):"),
    ("Reader.read", "pass"),
    ("Reader.read", "return None"),
    ("Reader.read", "return (most - 1)"),
    ("Reader.read", "return most + 2"),
}


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "module.py"
    path.write_text(CODE)
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    return path


def test_each_operator_is_applied_where_it_makes_a_difference(module: Path) -> None:
    found = list(mutants_of(module, 1))
    assert {(mutant.owner, mutant.after) for mutant in found} == CHANGES
    assert len(found) == len(CHANGES) + 1, "the call and the raise are both left out once"
    for mutant in found:
        compile(mutant.source, "module.py", "exec")
        assert mutant.source != CODE.encode()


def test_a_changed_line_keeps_the_place_of_every_other_mutant(module: Path) -> None:
    before = {mutant.rank for mutant in mutants_of(module, 1)}
    module.write_text("# a new first line\n" + CODE.replace("most + 1", "most + 3"))
    after = {mutant.rank for mutant in mutants_of(module, 1)}
    assert len(before - after) == len(after - before) == 3
    assert before.isdisjoint(mutant.rank for mutant in mutants_of(module, 2)), "another seed is another order"


def test_the_sample_is_of_the_shipped_code() -> None:
    drawn = sample(9, 100)
    assert len({mutant.path for mutant in drawn}) > 20
    assert not [mutant for mutant in drawn if mutant.path.as_posix().endswith(CONNECTIONS)]
    assert all({"ops", "local", "tests"}.isdisjoint(mutant.path.relative_to(ROOT).parts) for mutant in drawn)


def test_the_quickest_tests_that_call_the_function_are_the_judges() -> None:
    path = ROOT / "functions/reconcile/handler.py"
    calls = frozenset({"functions/reconcile/handler.py handler"})
    slow, quick = Judge("slow", True, 5.0, calls), Judge("quick", True, 0.1, calls)
    other = Judge("other", True, 0.1, frozenset({"functions/reconcile/handler.py _publish"}))
    elsewhere = Judge("elsewhere", True, 0.1, frozenset())
    everyone = [slow, other, elsewhere, quick]
    assert judges_of(Mutant(path, 1, "handler", "", "", b""), everyone) == [quick, slow]
    assert judges_of(Mutant(path, 1, "", "", "", b""), everyone) == [other, quick, slow, elsewhere]
