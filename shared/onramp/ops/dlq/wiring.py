"""What the commands work with: the queues, the tables and whatever reaches outside. Tests put their own in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Self

from onramp.adapters.owed import OwedIndex, OwedLedger
from onramp.adapters.profiles import ProfileTable
from onramp.adapters.tombstones import Tombstones
from onramp.adapters.users import UserTable
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.dead_letters import DELIVERY, PROVISIONING

_ENRICH_DUE_AFTER_SECONDS = "43200"  # template.yaml's default, for a stack that has no such parameter


@dataclass(frozen=True, slots=True)
class DlqWiring:
    """`dead` maps a queue's name to its URL; `enrich_due_after` in milliseconds."""

    sqs: Any
    dead: Mapping[str, str]
    provisioning_queue: str
    users: UserTable
    profiles: ProfileTable
    ledger: OwedLedger
    debts: OwedIndex
    tombstones: Tombstones
    enrich_due_after: int
    now: Callable[[], int]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    threads: Callable[[int], Executor]

    @classmethod
    def of(cls, context: OperatorContext) -> Self:
        dynamodb, users = context.client("dynamodb"), context.output("UsersTableName")
        return cls(
            sqs=context.client("sqs"),
            dead={PROVISIONING: context.output("ProvisioningDlqUrl"), DELIVERY: context.output("EventDeliveryDlqUrl")},
            provisioning_queue=context.output("ProvisioningQueueUrl"),
            users=context.users,
            profiles=context.profiles,
            ledger=OwedLedger(dynamodb, users),
            debts=OwedIndex(dynamodb, users),
            tombstones=Tombstones(dynamodb, context.output("OperationsTableName")),
            enrich_due_after=int(context.parameters.get("EnrichDueAfterSeconds", _ENRICH_DUE_AFTER_SECONDS)) * 1000,
            now=context.now,
            monotonic=context.monotonic,
            sleep=context.sleep,
            threads=context.threads,
        )
