"""The findings as one JSON document or as lines, the worst first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from onramp.ops.common.output import Output
from onramp.ops.doctor.checks import CheckResult
from onramp.ops.doctor.findings import Level

STYLES = {Level.TROUBLE: "bold red", Level.WARNING: "yellow", Level.OK: "green"}
WORST_FIRST = tuple(Level)


def report(out: Output, results: Sequence[CheckResult]) -> None:
    ordered = sorted(results, key=lambda result: WORST_FIRST.index(result.finding.level))
    count = Counter(result.finding.level for result in results)
    data = {
        "trouble": count[Level.TROUBLE],
        "warnings": count[Level.WARNING],
        "findings": [_data(result) for result in ordered],
    }

    def show() -> None:
        for result in ordered:
            _show(out, result)
        warnings = f"{count[Level.WARNING]} warning{'s' * (count[Level.WARNING] != 1)}"
        out.line(f"{count[Level.TROUBLE]} trouble, {warnings}, {count[Level.OK]} ok.")

    out.result(data, show)


def _data(result: CheckResult) -> dict[str, Any]:
    finding = result.finding
    return {
        "check": result.group,
        "level": finding.level.value,
        "what": finding.what,
        "why": finding.why or None,
        "cure": finding.cure or None,
    }


def _show(out: Output, result: CheckResult) -> None:
    finding = result.finding
    out.line(f"{finding.level:<8} {result.group:<11} {finding.what}", STYLES[finding.level])
    if finding.level is Level.OK:
        return
    out.line(f"{'':<20} why   {finding.why}")
    out.line(f"{'':<20} cure  {finding.cure}")
