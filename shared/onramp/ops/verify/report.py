"""The report of a verification: as JSON, and as tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from onramp.ops.common.output import Output
from onramp.ops.verify.cleanup import CleanedUp
from onramp.ops.verify.facts import Fact


class Promise(NamedTuple):
    name: str
    kept: bool
    what: str
    seconds: float


@dataclass(slots=True)
class VerifyReport:
    stack: str
    run: str
    promises: list[Promise] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    cleanup: list[CleanedUp] = field(default_factory=list)

    @property
    def broken(self) -> int:
        return sum(not promise.kept for promise in self.promises)

    @property
    def left(self) -> list[CleanedUp]:
        return [step for step in self.cleanup if step.error is not None]

    @property
    def passed(self) -> bool:
        return not self.broken and not self.left

    def data(self) -> dict[str, Any]:
        return {
            "stack": self.stack,
            "run": self.run,
            "passed": self.passed,
            "promises": [
                {"promise": one.name, "kept": one.kept, "what": one.what, "seconds": round(one.seconds, 1)}
                for one in self.promises
            ],
            "facts": [{"question": fact.question, "answer": fact.answer} for fact in self.facts],
            "cleanup": [step.row() for step in self.cleanup],
        }

    def show(self, out: Output) -> None:
        rows = [(one.name, "kept" if one.kept else "BROKEN", f"{one.seconds:.1f} s", one.what) for one in self.promises]
        out.table(("promise", "", "took", "seen"), rows)
        out.line("")
        out.table(("measured", "answer"), self.facts)
        out.line("")
        out.line(f"Deleted: {len(self.cleanup) - len(self.left)} of {len(self.cleanup)} things that this run created.")
        if self.passed:
            out.line(f"{self.stack} keeps its promises.", "green")
        else:
            out.line(f"{self.stack}: {self.broken} promises broken, {len(self.left)} things not deleted.", "red")
