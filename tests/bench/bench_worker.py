"""The worker's cold start, and how fast it processes batches, on the local stack behind TLS.

python -m tests.bench.bench_worker [ROUNDS]

Each answer of AWS takes 5 ms more, each of a provider 200 to 400 ms. In each round one environment processes a first
batch of 10 and later ones, and then three environments process 10 each at the same time. The cold start is compared
with that of the minimal trigger (REF of bench_trigger) in the same round. Linux only.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from scripts.build import ROOT, build

from onramp.domain.users import Names
from onramp.local.stack import LocalStack
from onramp.wiring.clients import now_millis
from tests.bench import bench_trigger
from tests.bench.ratios import Ratio, column
from tests.bench.tls_proxy import tls_proxy
from tests.deployed import DeployedPipeline, disable_mappings
from tests.security.stage import message, new_user, sqs_record
from tests.tls_aws import TlsAws, tls_aws, trust, write_certificate

ROUNDS, BATCH, LATER, ENVIRONMENTS = 9, 10, 3, 3
AWS_SECONDS, PROVIDER_SECONDS = (0.005, 0.005), (0.2, 0.4)
COLD_TARGET, WALL_TARGET, SERIAL_TARGET = 1.3, 1.05, 14.0  # 1.3: a quarter of what the worker took before
BUNDLES = ("botocore/cacert.pem", "certifi/cacert.pem")

Figures = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    deployed: DeployedPipeline
    artifact: Path
    settings: Mapping[str, str]

    def environment(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-I", "-S", "-B", str(ROOT / "tests" / "bench" / "worker_process.py")]
        return subprocess.Popen(
            [*command, str(self.artifact)],
            env=dict(self.settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def batch(self) -> str:
        """The event of ten new signups, whose records are written."""
        return json.dumps({"Records": [self.record(str(number)) for number in range(BATCH)]})

    def record(self, name: str) -> Any:
        now = now_millis()
        return sqs_record(message(new_user(self.deployed, Names("Nia"), now)), name=name, received_at=now)


def main(rounds: int) -> int:
    cold, later, together, reference = list[Figures](), list[Figures](), list[Figures](), list[dict[str, float]]()
    with prepared() as bench, tempfile.TemporaryDirectory() as scratch, tls_aws(Path(scratch)) as aws:
        artifacts = bench_trigger.make_artifacts(Path(scratch), aws)
        for _ in range(rounds):
            reference.append(run_reference(artifacts, aws))
            init, *batches = run_alone(bench)
            cold.append({"cpu": init["init"] + batches[0]["cpu"], "init": init["init"], "first": batches[0]["cpu"]})
            later += batches[1:]
            together += run_together(bench)
    return int(show(cold, later, together, reference))


def run_reference(artifacts: Mapping[str, Path], aws: TlsAws) -> dict[str, float]:
    handler, artifact = bench_trigger.VARIANTS[bench_trigger.REFERENCE]
    return bench_trigger.run(handler, artifacts[artifact], aws)


@contextmanager
def prepared() -> Iterator[Bench]:
    with ExitStack() as context:
        scratch = Path(context.enter_context(tempfile.TemporaryDirectory()))
        certificate, key = scratch / "certificate.pem", scratch / "key.pem"
        write_certificate(certificate, key)
        stack = context.enter_context(LocalStack.start())
        deployed = DeployedPipeline(stack)
        disable_mappings(stack)

        def behind_tls(url: str, seconds: tuple[float, float]) -> str:
            return context.enter_context(tls_proxy(certificate, key, url, *seconds))

        build("enrich_profile", scratch / "artifact", "host", "")
        for bundle in BUNDLES:
            trust(scratch / "artifact" / bundle, certificate)
        settings = deployed.settings("EnrichProfile") | stack.environment()
        settings |= {
            "AWS_ENDPOINT_URL": behind_tls(stack.endpoint, AWS_SECONDS),
            "STRIPE_BASE_URL": behind_tls(stack.fakes["stripe"], PROVIDER_SECONDS),
            "REVENUECAT_BASE_URL": behind_tls(stack.fakes["revenuecat"], PROVIDER_SECONDS),
            # No pacing: it is a wait of its own.
            "STRIPE_REQUESTS_PER_SECOND": "10000",
            "REVENUECAT_REQUESTS_PER_MINUTE": "100000",
        }
        yield Bench(deployed, scratch / "artifact", settings)


def run_alone(bench: Bench) -> list[Figures]:
    """The init, the first batch and later ones of one environment."""
    with bench.environment() as environment:
        init = read(environment)
        figures = [init]
        for _ in range(1 + LATER):
            write(environment, bench.batch())
            figures.append(read(environment))
        close(environment)
    return figures


def run_together(bench: Bench) -> list[Figures]:
    """One later batch in each of three environments, started at the same time."""
    environments = [bench.environment() for _ in range(ENVIRONMENTS)]
    for environment in environments:
        read(environment)
        write(environment, bench.batch())
        read(environment)
    events = [bench.batch() for _ in environments]
    for environment, event in zip(environments, events, strict=True):
        write(environment, event)
    figures = [read(environment) for environment in environments]
    for environment in environments:
        close(environment)
    return [
        {name: max(found[name] for found in figures) for name in ("wall", "slowest")}
        | {"serial": sum(found["serial"] for found in figures)}
    ]


def write(environment: subprocess.Popen[str], event: str) -> None:
    assert environment.stdin
    environment.stdin.write(event + "\n")
    environment.stdin.flush()


def read(environment: subprocess.Popen[str]) -> Figures:
    assert environment.stdout
    figures = cast("Figures", json.loads(environment.stdout.readline()))
    if figures.get("failed"):
        raise SystemExit(f"the worker failed: {figures['failed']}")
    return figures


def close(environment: subprocess.Popen[str]) -> None:
    assert environment.stdin
    environment.stdin.close()
    environment.wait(10)


def show(cold: list[Figures], later: list[Figures], together: list[Figures], reference: list[dict[str, float]]) -> bool:
    """Whether a target was missed."""
    calls = sorted({figures["calls"] for figures in later})
    start = Ratio.of(column(cold, "cpu"), column(reference, "cold"))
    verdicts = [
        say("cold start and first batch, CPU, to REF's init and first signup", start, COLD_TARGET),
        *waits("a batch of 10", later),
        *waits("30 messages in three environments", together),
    ]
    print(f"requests of a later batch: {', '.join(map(str, calls))}")
    print(f"init {best(cold, 'init'):.0f} ms, first batch {best(cold, 'first'):.0f} ms of processor time")
    return "MISSED" in verdicts


def waits(what: str, batches: Sequence[Figures]) -> list[str]:
    slowest = Ratio.of(column(batches, "wall"), column(batches, "slowest"))
    serial = Ratio.of(column(batches, "wall"), column(batches, "serial"))
    return [
        say(f"{what}, wall, to its slowest record", slowest, WALL_TARGET),
        say(f"{what}, wall, to one request after the other", serial, 1 / SERIAL_TARGET),
    ]


def say(what: str, ratio: Ratio, target: float) -> str:
    verdict = ratio.verdict(target)
    print(f"{what}: {ratio.value:.3f} ±{ratio.spread / 2:.0%}, target {target:.3f} {verdict}")
    return verdict


def best(figures: Sequence[Figures], name: str) -> float:
    return min(column(figures, name)) * 1000


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else ROUNDS))
