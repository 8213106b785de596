"""Runs pytest in forked processes: the libraries are imported once, the shipped code anew in each process."""

from __future__ import annotations

import contextlib
import importlib
import os
import pickle
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

import pytest

from tests.mutation.judges import FAST, Judge, Recorder, Repeatable, Selection, judges_of
from tests.mutation.mutants import ROOT, Mutant

LIBRARIES = ("boto3", "botocore.session", "pydantic", "stripe", "typer", "rich", "aws_lambda_powertools")
OPTIONS = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore::pytest.PytestAssertRewriteWarning"]

FIRST = 20  # tests
BROKEN = 70  # the exit code of a process in which pytest could not run


class _Loader(SourceFileLoader):
    def __init__(self, name: str, mutant: Mutant) -> None:
        super().__init__(name, str(mutant.path))
        self._mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._mutant.source, str(self._mutant.path), "exec")


class _Finder(MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        package = ROOT / "shared" if mutant.path.is_relative_to(ROOT / "shared") else ROOT
        self._module = ".".join(mutant.path.relative_to(package).with_suffix("").parts).removesuffix(".__init__")

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._module:
            return None
        return spec_from_file_location(fullname, self._mutant.path, loader=_Loader(fullname, self._mutant))


def prepare() -> None:
    os.chdir(ROOT)
    for name in LIBRARIES:
        importlib.import_module(name)


def record() -> list[Judge]:
    """The fast tests, run once without a mutant."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "judges"
        _wait(_fork(lambda: _record(answer)))
        judges: list[Judge] = pickle.loads(answer.read_bytes())  # noqa: S301  # written by the process above
    return judges


def _record(answer: Path) -> int:
    recorder = Recorder()
    code = _pytest(FAST, recorder)
    answer.write_bytes(pickle.dumps(recorder.judges))
    return code


def survivors(
    mutants: Sequence[Mutant], judges: Sequence[Judge], jobs: int, until: float = float("inf")
) -> Iterator[tuple[Mutant, bool]]:
    """Each mutant with whether it is alive, in the order in which they are judged; none is begun after `until`.

    `until` in seconds of `time.monotonic`.
    """
    waiting, running = list(reversed(mutants)), dict[int, Mutant]()
    while (waiting and time.monotonic() < until) or running:
        while waiting and len(running) < jobs and time.monotonic() < until:
            mutant = waiting.pop()
            running[_fork(lambda mutant=mutant: _judge(mutant, judges))] = mutant  # type: ignore[misc]
        process, status = os.wait()
        code, mutant = os.waitstatus_to_exitcode(status), running.pop(process)
        if code == BROKEN:
            raise RuntimeError(f"could not be judged: {mutant}")
        yield mutant, code == pytest.ExitCode.OK


def _judge(mutant: Mutant, judges: Sequence[Judge]) -> int:
    """The quickest tests first, by themselves: to collect all others takes longer than to run them."""
    chosen = judges_of(mutant, judges)
    sys.meta_path.insert(0, _Finder(mutant))
    for part in (chosen[:FIRST], chosen[FIRST:]):
        files = dict.fromkeys(judge.test.split("::")[0] for judge in part)
        if files and (code := _pytest([*files, "-x"], Selection(part))):
            return code
    return pytest.ExitCode.OK


def _pytest(arguments: Sequence[str], plugin: object) -> int:
    return int(pytest.main([*OPTIONS, *arguments], plugins=[plugin, Repeatable()]))


def _fork(run: Callable[[], int]) -> int:
    """The id of a process that runs `run` without output and exits with its result."""
    sys.stdout.flush()
    if process := os.fork():
        return process
    code = BROKEN
    with contextlib.suppress(BaseException), open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
        code = run()
    os._exit(code)


def _wait(process: int) -> None:
    os.waitpid(process, 0)
