"""What the commands work with: the queues, the tables and whatever reaches outside. Tests put their own in."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from onramp.adapters.owed import OwedIndex, OwedLedger
from onramp.adapters.profiles import ProfileTable
from onramp.adapters.tombstones import Tombstones
from onramp.adapters.users import UserTable
from onramp.ops.desk import Desk
from onramp.ops.dlq.letters import DELIVERY, PROVISIONING

_ENRICH_DUE_AFTER_SECONDS = "43200"  # template.yaml's default, for a stack that has no such parameter


@dataclass(frozen=True, slots=True)
class Parts:
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
    now: Callable[[], int] = Desk.now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    threads: Callable[[int], Executor] = ThreadPoolExecutor


def parts_of(desk: Desk) -> Parts:
    dynamodb, users = desk.client("dynamodb"), desk.output("UsersTableName")
    return Parts(
        sqs=desk.client("sqs"),
        dead={PROVISIONING: desk.output("ProvisioningDlqUrl"), DELIVERY: desk.output("EventDeliveryDlqUrl")},
        provisioning_queue=desk.output("ProvisioningQueueUrl"),
        users=desk.users,
        profiles=desk.profiles,
        ledger=OwedLedger(dynamodb, users),
        debts=OwedIndex(dynamodb, users),
        tombstones=Tombstones(dynamodb, desk.output("OperationsTableName")),
        enrich_due_after=int(desk.parameters.get("EnrichDueAfterSeconds", _ENRICH_DUE_AFTER_SECONDS)) * 1000,
    )
