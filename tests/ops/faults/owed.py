"""Faults that users wait for: dead letters and owed work."""

from __future__ import annotations

from onramp.wiring.clients import now_millis
from tests.ops.faults.planting import Fault, Planting, Undo


class OwedFaults(Planting):
    def dead_letter(self) -> Undo:
        sqs, url = self.client("sqs"), self.outputs["EventDeliveryDlqUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="undelivered")
        return lambda: sqs.purge_queue(QueueUrl=url)

    def _owe(self, owed: str) -> Undo:
        table, key = self.outputs["UsersTableName"], {"userId": {"S": "waiting@example.com"}}
        since = {"N": str(now_millis() - 3 * 3_600_000)}
        stored = {"owed": {"S": owed}, "owedSince": since, "dueAt": since}
        self.client("dynamodb").put_item(TableName=table, Item={**key, **stored})
        return lambda: self.client("dynamodb").delete_item(TableName=table, Key=key)

    def owed_operator(self) -> Undo:
        return self._owe("operator#1")

    def overdue_emit(self) -> Undo:
        return self._owe("emit#1")


FAULTS = [
    Fault(
        OwedFaults.dead_letter, "owed", "trouble", "1 dead letter in EventDeliveryDlq", "onramp dlq list", runs=False
    ),
    Fault(
        OwedFaults.owed_operator,
        "owed",
        "trouble",
        "`operator` is owed",
        "onramp dlq redrive --from-table",
        runs=False,
    ),
    Fault(OwedFaults.overdue_emit, "owed", "trouble", "`emit` is owed", "onramp doctor --only bus", runs=False),
]
