"""How fast `onramp dlq redrive` empties a queue on the local stack: `python -m tests.bench.bench_redrive [LETTERS]`.

Every letter is the expensive case: its user is owed to the operator, so each needs a conditional write of its own. The
rate is compared with the emulator's own SendMessageBatch rate in the same run, with as many threads. The worker's event
source mapping is disabled meanwhile: the worker is no part of a redrive and would use the same two cores.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from onramp.adapters.items import to_values
from onramp.domain.event_data import delivery, user_signed_up
from onramp.domain.users import Claim, Names, Owed, User, shard_of
from onramp.local.parameters import STACK_NAME
from onramp.local.stack import LocalStack
from onramp.ops.common.context import OperatorContext, tune_for_long_runs
from onramp.ops.common.dead_letters import PROVISIONING
from onramp.ops.common.output import Output
from onramp.ops.dlq.filters import LetterFilter
from onramp.ops.dlq.redrive import SENDERS
from onramp.ops.dlq.redrive_command import RedriveCommand
from onramp.ops.dlq.wiring import DlqWiring
from onramp.usecases.batches import chunks
from onramp.wiring.clients import now_millis
from tests.bench.ratios import reached
from tests.deployed import disable_mappings

LETTERS, FEW = 10_000, 1_000
TARGET = 1_000
MOST_MEMORY = 1.1


class Stopwatch(Output):
    """Prints nothing, and keeps the time of the confirmation."""

    confirmed = 0.0

    def say(self, sentence: str, style: str = "") -> None:
        pass

    def confirm(self, plan: str, *, yes: bool) -> None:
        self.confirmed = time.perf_counter()


def main(letters: int) -> int:
    tune_for_long_runs()
    with LocalStack.start() as stack:
        os.environ |= stack.environment()
        disable_mappings(stack)
        context = OperatorContext(Stopwatch(as_json=True), stack_name=STACK_NAME)
        reference = measure_bare_sends(context, letters)
        measure_redrive(context, FEW)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        reading, sending = measure_redrive(context, letters)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / before
    print(f"reference: SendMessageBatch alone   {reference:7,.0f} messages/s")
    print(f"the plan: every letter read once    {letters / reading:7,.0f} letters/s")
    print(f"flip, send, confirm, delete         {letters / sending:7,.0f} letters/s")
    print(f"  of the reference                  {letters / sending / reference:7.2f}")
    together = letters / (reading + sending)
    met = reached(together, TARGET) and memory <= MOST_MEMORY
    print(f"both together                       {together:7,.0f} letters/s, target {TARGET:,}")
    print(f"most memory, {letters:,} letters to {FEW:,}  {memory:7.2f}, target {MOST_MEMORY}")
    print("met" if met else "MISSED")
    return int(not met)


def measure_bare_sends(context: OperatorContext, messages: int) -> float:
    sqs = context.client("sqs")
    url = sqs.create_queue(QueueName="reference")["QueueUrl"]
    entries: Any = [{"Id": str(n), "MessageBody": "x" * 900} for n in range(10)]
    took = timed(lambda _: sqs.send_message_batch(QueueUrl=url, Entries=entries), range(messages // 10))
    sqs.delete_queue(QueueUrl=url)
    return messages / took


def measure_redrive(context: OperatorContext, letters: int) -> tuple[float, float]:
    """Seconds until the confirmation, and from then to the last delete."""
    prepare_dead_letters(context, letters)
    wiring = DlqWiring.of(context)
    command = RedriveCommand(LetterFilter(), [PROVISIONING], None, 0, canary=False, wait=0, from_table=False, yes=True)
    started = time.perf_counter()
    report = command.run(context, wiring)
    ended = time.perf_counter()
    if report.counts.sent != letters or report.needs_attention:
        raise SystemExit(f"{report.summary()} of {letters}")
    wiring.sqs.purge_queue(QueueUrl=wiring.provisioning_queue)
    assert isinstance(context.out, Stopwatch)
    return context.out.confirmed - started, ended - context.out.confirmed


def prepare_dead_letters(context: OperatorContext, letters: int) -> None:
    """Users whose provisioning failed for good, and their dead letters."""
    users = [new_user() for _ in range(letters)]
    timed(lambda batch: put_records(context, batch), list(chunks(users, 25)))
    timed(lambda batch: send_letters(context, batch), list(chunks(users, 10)))


def new_user() -> User:
    sub, now = str(uuid.uuid4()), now_millis()
    pool, names, role = "eu-west-1_Bench", Names("Nia"), "team_member"
    claim = Claim(f"{sub[:18]}@example.com", sub, pool, "Cognito", "cognito", names, True, now, now, role)
    return claim.as_new_user()


def put_records(context: OperatorContext, users: Sequence[User]) -> None:
    rows = [
        {
            "userId": user.user_id,
            "cognitoSub": user.cognito_sub,
            "userPoolId": user.user_pool_id,
            "linkedAt": user.linked_at,
            "owed": Owed.OPERATOR.on(shard_of(str(user.cognito_sub))),
            "owedSince": user.owed_since,
            "dueAt": user.due_at,
        }
        for user in users
    ]
    requests: Any = [{"PutRequest": {"Item": to_values(row)}} for row in rows]
    context.client("dynamodb").batch_write_item(RequestItems={context.output("UsersTableName"): requests})


def send_letters(context: OperatorContext, users: Sequence[User]) -> None:
    values = {"step": "stripe", "reason": "stripe_refused_400", "errorCode": "email_invalid", "codeVersion": "bench"}
    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in values.items()}
    entries: Any = [
        {
            "Id": str(n),
            "MessageBody": json.dumps(delivery(user_signed_up(user, correlation_id="bench"))),
            "MessageAttributes": attributes,
        }
        for n, user in enumerate(users)
    ]
    context.client("sqs").send_message_batch(QueueUrl=context.output("ProvisioningDlqUrl"), Entries=entries)


def timed(work: Callable[[Any], Any], items: Iterable[Any]) -> float:
    started = time.perf_counter()
    with ThreadPoolExecutor(SENDERS) as threads:
        for _ in threads.map(work, items):
            pass
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else LETTERS))
