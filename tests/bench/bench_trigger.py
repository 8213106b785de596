"""The trigger's processor time and memory, beside a minimal handler (REF) and the usual style.

python -m tests.bench.bench_trigger [ROUNDS] [--write]

Each round starts one process for each handler, against AWS on loopback over TLS with 1 ms for each answer. The
artifacts are built for this machine's Python. `--write` puts the figures and a plot into docs/. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table
from scripts.build import ROOT, build, compile_bytecode, install, pack

from tests.bench.plots import bar_plot
from tests.bench.ratios import Ratio, column
from tests.bench.report import PERFORMANCE, table, with_block
from tests.infrastructure.translation import Translation
from tests.tls_aws import TlsAws, tls_aws

ROUNDS, INVOCATIONS, ANSWER = 15, 200, 0.001
EVENT = ROOT / "events" / "post_confirmation_native.json"
HANDLERS = ROOT / "tests" / "bench" / "handlers"
REFERENCE, ONRAMP = "REF", "Onramp"
# Handler and artifact of each row.
VARIANTS = {
    REFERENCE: ("reference.handler", "libraries"),
    "usual style": ("usual.handler", "libraries"),
    "usual style, no bytecode": ("usual.handler", "source"),
    ONRAMP: ("functions.post_confirmation.handler.handler", "onramp"),
}
# Figure -> its title and Onramp's target as a part of REF.
FIGURES: dict[str, tuple[str, float]] = {
    "cold": ("init and first signup, CPU", 0.70),
    "first": ("first signup, CPU", 0.10),
    "warm": ("each later signup, CPU", 0.95),
    "memory": ("peak memory", 0.86),
}
FIRST_TO_SECOND = 1.3
MOST_MEGABYTES = {"post_confirmation": 4.5, "reconcile": 7.0, "enrich_profile": 12.0}

Rounds = dict[str, list[dict[str, float]]]


VCPU_MEGABYTES = 1769
"""https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html: a function with this memory has one vCPU."""
MEMORY_SIZES = (128, 256, 512, 1024, 1769)
REQUESTS, ROUND_TRIP = 2, 5.0  # of a signup; milliseconds of one request inside a region


def main(rounds: int, *, write: bool) -> int:
    with tempfile.TemporaryDirectory() as scratch, tls_aws(Path(scratch), ANSWER) as aws:
        artifacts = make_artifacts(Path(scratch), aws)
        measured: Rounds = {name: [] for name in VARIANTS}
        for _ in range(rounds):
            for name, (handler, artifact) in VARIANTS.items():
                measured[name].append(run(handler, artifacts[artifact], aws))
        sizes = zip_sizes(Path(scratch))
    failed = show(measured)
    failed |= show_sizes(sizes)
    say_waits(measured)
    if write:
        write_page(measured)
    return int(failed)


def make_artifacts(scratch: Path, aws: TlsAws) -> dict[str, Path]:
    artifacts = {name: scratch / name for name in ("onramp", "libraries", "source")}
    build("post_confirmation", artifacts["onramp"], "host", "")
    install(ROOT / "requirements" / "bench.txt", artifacts["source"], "host", "")
    for handler in HANDLERS.glob("*.py"):
        shutil.copy(handler, artifacts["source"])
    shutil.copytree(artifacts["source"], artifacts["libraries"])
    compile_bytecode(artifacts["libraries"], sys.executable)
    for artifact in artifacts.values():
        aws.trust_in(artifact)
    return artifacts


def run(handler: str, artifact: Path, aws: TlsAws) -> dict[str, float]:
    process = [sys.executable, "-I", "-S", "-B", str(ROOT / "tests" / "bench" / "cold_process.py")]
    settings = Translation().settings("PostConfirmationFunction") | {
        "USER_POOL_IDS": json.loads(EVENT.read_text())["userPoolId"],
        "AWS_XRAY_CONTEXT_MISSING": "IGNORE_ERROR",
    }
    done = subprocess.run(
        [*process, str(artifact), handler, str(EVENT), str(INVOCATIONS)],
        env=aws.environment() | settings,
        check=True,
        capture_output=True,
        text=True,
    )
    return dict(json.loads(done.stdout))


def show(measured: Rounds) -> bool:
    """Whether a target was missed."""
    figures, failed = Table("", *(title for title, _ in FIGURES.values()), "first to second, wall"), False
    for name, rounds in measured.items():
        cells = []
        for figure, (_, target) in FIGURES.items():
            ratio = Ratio.of(column(rounds, figure), column(measured[REFERENCE], figure))
            verdict = ratio.verdict(target if name == ONRAMP else None)
            failed |= verdict == "MISSED"
            cells.append(f"{ratio.value:.2f} ±{ratio.spread / 2:.0%} {verdict}")
        wall = Ratio.of(column(rounds, "wall"), [1.0] * len(rounds))
        verdict = wall.verdict(FIRST_TO_SECOND if name == ONRAMP else None)
        failed |= verdict == "MISSED"
        figures.add_row(name, *cells, f"{wall.value:.2f} ±{wall.spread / 2:.0%} {verdict}")
    Console(width=140).print(figures)
    best = min(column(measured[REFERENCE], "cold")) * 1000, min(column(measured[REFERENCE], "warm")) * 1000
    print(f"REF on this machine: cold {best[0]:.0f} ms, warm {best[1]:.1f} ms; {os.cpu_count()} processors")
    return failed


def zip_sizes(scratch: Path) -> dict[str, float]:
    """Megabytes of each archive, bytecode included."""
    sizes = {}
    for function in MOST_MEGABYTES:
        build(function, scratch / function, "host", "")
        pack(scratch / function, scratch / f"{function}.zip")
        sizes[function] = (scratch / f"{function}.zip").stat().st_size / 1e6
    return sizes


def show_sizes(sizes: Mapping[str, float]) -> bool:
    for function, size in sizes.items():
        verdict = "met" if size <= MOST_MEGABYTES[function] else "MISSED"
        print(f"{function}.zip {size:.1f} MB, target {MOST_MEGABYTES[function]} {verdict}")
    return any(size > MOST_MEGABYTES[function] for function, size in sizes.items())


def waits(measured: Rounds, memory: int) -> tuple[float, float]:
    """Milliseconds of init with the first signup and of a later one, at this memory in MB.

    Without what AWS needs to start an environment, and without the processor time that it gives to init beyond this.
    """
    share = min(1.0, memory / VCPU_MEGABYTES)
    cold, warm = (min(column(measured[ONRAMP], figure)) * 1000 / share for figure in ("cold", "warm"))
    return cold + REQUESTS * ROUND_TRIP, warm + REQUESTS * ROUND_TRIP


def wait_rows(measured: Rounds) -> list[list[str]]:
    return [[f"{size:,}", *(f"{wait:,.0f} ms" for wait in waits(measured, size))] for size in MEMORY_SIZES]


def say_waits(measured: Rounds) -> None:
    for memory, first, later in wait_rows(measured):
        print(f"{memory} MB: init and first signup {first}, each later signup {later}")


def write_page(measured: Rounds) -> None:
    ratios = {
        figure: {
            name: Ratio.of(column(rounds, figure), column(measured[REFERENCE], figure)).value
            for name, rounds in measured.items()
        }
        for figure in FIGURES
    }
    rows = [
        [title, *(f"{ratio:.2f}" for ratio in ratios[figure].values()), f"{target:.2f}"]
        for figure, (title, target) in FIGURES.items()
    ]
    page = with_block(PERFORMANCE.read_text(), "trigger", table(["", *VARIANTS, "target"], rows))
    head = ["memory, MB", "init and first signup", "each later signup"]
    PERFORMANCE.write_text(with_block(page, "waits", table(head, wait_rows(measured))))
    shown = {FIGURES[figure][0]: ratios[figure] for figure in ("cold", "warm")}
    PERFORMANCE.with_suffix(".svg").write_text(bar_plot("The trigger beside a minimal handler", shown, REFERENCE))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bench_trigger")
    parser.add_argument("rounds", nargs="?", type=int, default=ROUNDS)
    parser.add_argument("--write", action="store_true", help="put the figures and a plot into docs/")
    return parser.parse_args()


if __name__ == "__main__":
    options = arguments()
    sys.exit(main(options.rounds, write=options.write))
