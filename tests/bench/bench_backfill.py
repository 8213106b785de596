"""How fast a backfill reads and writes against the local stack: `python -m tests.bench.bench_backfill [USERS]`.

The write rate is compared with the emulator's own UpdateItem rate in the same run: that of a separate process which
does nothing else, with boto3's defaults and the best number of threads. The worker's event source mapping is disabled
meanwhile: the worker would use the two cores, and is no part of a backfill.
"""

from __future__ import annotations

import resource
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from botocore.config import Config

from onramp.adapters.users import UserTable
from onramp.domain.users import Claim, Names
from onramp.local.sessions import local_session
from onramp.local.stack import LocalStack
from onramp.ops.backfill.refusals import RefusalsFile
from onramp.ops.backfill.wiring import BackfillWiring
from onramp.ops.common.context import OperatorContext, tune_for_long_runs
from onramp.ops.common.output import Output
from tests.bench.ratios import reached
from tests.deployed import disable_mappings

USERS = 100_000
APPLIED = 10_000
WRITES, THREADS = 3_000, 16
READ_TARGET, WRITE_TARGET = 1_800, 0.8
WEEK = 7 * 86_400


def main(users: int) -> int:
    tune_for_long_runs()
    with stack_with(users) as stack:
        fast_reads = read(stack, users)
    with stack_with(APPLIED) as stack:
        fast_writes = write(stack)
    return int(not (fast_reads and fast_writes))


@contextmanager
def stack_with(users: int) -> Iterator[LocalStack]:
    with LocalStack.start() as stack:
        disable_mappings(stack)
        populate(stack, users)
        yield stack


def populate(stack: LocalStack, users: int) -> None:
    for start in range(0, users, 5_000):
        batch = [
            {
                "attributes": {"email": f"{uuid.uuid4().hex}@example.com", "email_verified": "true", "name": "Nia New"},
                "ageSeconds": WEEK,
            }
            for _ in range(min(5_000, users - start))
        ]
        stack.control.populate(stack.outputs["UserPoolId"], batch)


def run(stack: LocalStack, *, apply: bool) -> dict[str, int]:
    context = OperatorContext(Output(as_json=False))
    context.local = {"endpoint": stack.endpoint, "region": stack.region, "outputs": stack.outputs}
    wiring = BackfillWiring.of(context)
    backfill = wiring.backfill(
        wiring.rules.pools,
        wiring.batch_publisher(),
        RefusalsFile(None),
        rate=10_000,
        apply=apply,
    )
    *_, last = backfill.run(backfill.start(resume=False))
    return dict(last.found)


def read(stack: LocalStack, users: int) -> bool:
    """Whether the target was reached."""
    with timed() as seconds:
        found = run(stack, apply=False)
    assert sum(found.values()) == users
    say("dry run", users, seconds[0], f"target {READ_TARGET:,}/s")
    say_memory()
    return reached(users / seconds[0], READ_TARGET)


def write(stack: LocalStack) -> bool:
    """Whether the target was reached."""
    before = own_rate(stack)
    with timed() as seconds:
        found = run(stack, apply=True)
    created, spent = found["create"], seconds[0]
    after = own_rate(stack)
    own = (before + after) / 2
    say(
        "applied",
        created,
        spent,
        f"{created / spent / own:.2f} of UpdateItem alone ({own:,.0f}/s), target {WRITE_TARGET}",
    )
    say_memory()
    return reached(created / spent / own, WRITE_TARGET)


def own_rate(stack: LocalStack) -> float:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(writes_alone, stack.endpoint, stack.region, stack.outputs).result()


def writes_alone(endpoint: str, region: str, outputs: Mapping[str, str]) -> float:
    """Claims of new users a second, each written as the backfill writes it."""
    config = Config(max_pool_connections=THREADS)
    dynamodb = local_session(region).client("dynamodb", endpoint_url=endpoint, config=config)
    table, pool = UserTable(dynamodb, outputs["UsersTableName"]), outputs["UserPoolId"]
    claims = [
        Claim(f"{uuid.uuid4().hex}@example.com", str(uuid.uuid4()), pool, "Cognito", "cognito", Names(name="Nia New"),
              may_link=True, at=1, due_at=2, default_role="team_member")
        for _ in range(WRITES)
    ]  # fmt: skip
    with timed() as seconds, ThreadPoolExecutor(THREADS) as writers:
        list(writers.map(table.claim, claims))
    return WRITES / seconds[0]


@contextmanager
def timed() -> Iterator[list[float]]:
    """Yields a list that holds the elapsed seconds after the block."""
    start = time.perf_counter()
    spent: list[float] = []
    yield spent
    spent.append(time.perf_counter() - start)


def say(what: str, count: int, seconds: float, more: str) -> None:
    print(f"{what}: {count:,} users in {seconds:.1f} s, {count / seconds:,.0f}/s; {more}")


def say_memory() -> None:
    print(f"  peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else USERS))
