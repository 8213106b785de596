"""The queues and tables of the `dlq` commands, from one deployed stack."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from onramp.adapters.owed import OwedIndex, OwedLedger
from onramp.adapters.profiles import ProfileTable
from onramp.adapters.tombstones import Tombstones
from onramp.adapters.users import UserTable
from onramp.domain.users import SHARDS, Owed
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.dead_letters import DeadLetterQueues

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

_ENRICH_DUE_AFTER_SECONDS = "43200"  # template.yaml's default, for a stack that has no such parameter


@dataclass(frozen=True, slots=True)
class DlqWiring:
    """`provisioning_queue` is a URL; `enrich_due_after` is in milliseconds."""

    sqs: SQSClient
    dead_letters: DeadLetterQueues
    provisioning_queue: str
    users: UserTable
    profiles: ProfileTable
    ledger: OwedLedger
    owed_index: OwedIndex
    tombstones: Tombstones
    enrich_due_after: int
    now: Callable[[], int]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    threads: Callable[[int], Executor]

    def owed_to_operator(self) -> int:
        """To how many users; of a long list the first 10,000 a shard."""
        return sum(len(self.owed_index.of(Owed.OPERATOR, shard)) for shard in range(SHARDS))

    @classmethod
    def of(cls, context: OperatorContext) -> Self:
        dynamodb, users = context.client("dynamodb"), context.output("UsersTableName")
        return cls(
            sqs=context.client("sqs"),
            dead_letters=DeadLetterQueues.of(context),
            provisioning_queue=context.output("ProvisioningQueueUrl"),
            users=context.users,
            profiles=context.profiles,
            ledger=OwedLedger(dynamodb, users),
            owed_index=OwedIndex(dynamodb, users),
            tombstones=Tombstones(dynamodb, context.output("OperationsTableName")),
            enrich_due_after=int(context.parameters.get("EnrichDueAfterSeconds", _ENRICH_DUE_AFTER_SECONDS)) * 1000,
            now=context.now,
            monotonic=context.monotonic,
            sleep=context.sleep,
            threads=context.threads,
        )
