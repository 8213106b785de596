"""An in-memory DynamoDB behind the boto3 client's interface.

    clock = VirtualClock()
    db = FakeDynamoDB({"Users": TableSpec.of(template["Resources"]["Users"]["Properties"])}, clock)
    db.put_item(TableName="Users", Item={"userId": {"S": "ada@example.com"}})
    assert db.rows("Users") == [{"userId": "ada@example.com"}]

A read that is not consistent, and every read of an index, returns the table of `read_lag` seconds ago.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.fakes.attributes import INVALID, Item, Refused, plain
from tests.fakes.client import Clock, FakeClient, Reply, Request, operation
from tests.fakes.queries import check_filter, check_projection, page, project, query_rows, scan_rows
from tests.fakes.requests import Expressions
from tests.fakes.tables import Key, Table, TableSpec
from tests.fakes.writes import ConditionFailed, Plan, Write, plan_delete, plan_put, plan_update, table_key

EXPRESSION = "ExpressionAttributeNames ExpressionAttributeValues"
CONDITION = f"ConditionExpression {EXPRESSION} ReturnValues ReturnValuesOnConditionCheckFailure"
PAGE = (
    "TableName IndexName ConsistentRead Limit ExclusiveStartKey Select FilterExpression ProjectionExpression "
    + EXPRESSION
)
FAILED = "The conditional request failed"


class FakeDynamoDB(FakeClient):
    service = "dynamodb"

    def __init__(self, tables: Mapping[str, TableSpec], clock: Clock, *, validate: bool = True) -> None:
        super().__init__(clock, validate=validate)
        self.tables = {name: Table(name, spec, clock) for name, spec in tables.items()}
        self.read_lag = 0.0

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Every item as plain Python, for assertions."""
        with self._lock:
            return [{name: plain(value) for name, value in item.items()} for item in self.tables[table].items.values()]

    @contextmanager
    def _refusing(self, name: str) -> Iterator[None]:
        try:
            yield
        except Refused as refused:
            raise self.error(name, "ValidationException", str(refused)) from None

    def _table(self, name: str, request: Request) -> Table:
        if request["TableName"] not in self.tables:
            raise self.error(name, "ResourceNotFoundException", "Requested resource not found")
        return self.tables[request["TableName"]]

    @operation(f"TableName Key ConsistentRead ProjectionExpression {EXPRESSION}")
    def get_item(self, request: Request) -> Reply:
        table = self._table("get_item", request)
        with self._refusing("get_item"):
            expressions = Expressions(request)
            key, _ = table_key(table, request["Key"])
        item = self._older(table, request).get(key, table.items.get(key))
        return {"Item": project(item, expressions)} if item is not None else {}

    def _older(self, table: Table, request: Request, index: str | None = None) -> dict[Key, Item | None]:
        return {} if request.get("ConsistentRead") and not index else table.before(self.read_lag)

    @operation(f"TableName Item {CONDITION}")
    def put_item(self, request: Request) -> Reply:
        return self._write("put_item", request, plan_put, ("NONE", "ALL_OLD"))

    @operation(f"TableName Key {CONDITION}")
    def delete_item(self, request: Request) -> Reply:
        return self._write("delete_item", request, plan_delete, ("NONE", "ALL_OLD"))

    @operation(f"TableName Key UpdateExpression {CONDITION}")
    def update_item(self, request: Request) -> Reply:
        returns = ("NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW")
        return self._write("update_item", request, plan_update, returns)

    def _write(self, name: str, request: Request, plan: Plan, returns: tuple[str, ...]) -> Reply:
        table, wanted = self._table(name, request), request.get("ReturnValues", "NONE")
        try:
            with self._refusing(name):
                if wanted not in returns:
                    raise Refused(f"Return values set to invalid value: {wanted}")
                write = plan(table, request)
        except ConditionFailed as failed:
            raise self.error(name, "ConditionalCheckFailedException", FAILED, **failed.reply_part(request)) from None
        write.store()
        attributes = write.attributes(wanted)
        return {"Attributes": attributes} if attributes else {}

    @operation(f"{PAGE} KeyConditionExpression ScanIndexForward")
    def query(self, request: Request) -> Reply:
        return self._page("query", request)

    @operation(f"{PAGE} Segment TotalSegments")
    def scan(self, request: Request) -> Reply:
        return self._page("scan", request)

    def _page(self, name: str, request: Request) -> Reply:
        table, index = self._table(name, request), request.get("IndexName")
        with self._refusing(name):
            if index not in table.trees:
                raise Refused(f"The table does not have the specified index: {index}")
            if index and request.get("ConsistentRead"):
                raise Refused("Consistent reads are not supported on global secondary indexes")
            expressions = Expressions(request)
            if name == "query":
                check_filter(table, index, expressions)
            check_projection(table, index, expressions)
            older = self._older(table, request, index)
            if name == "query":
                rows = query_rows(table, index, request, expressions, older)
            else:
                rows = scan_rows(table, index, request, older)
            return page(table, index, request, expressions, rows, older)

    @operation("RequestItems")
    def batch_get_item(self, request: Request) -> Reply:
        responses: dict[str, list[Item]] = {}
        with self._refusing("batch_get_item"):
            if sum(len(wanted["Keys"]) for wanted in request["RequestItems"].values()) > 100:
                raise Refused("Too many items requested for the BatchGetItem call")
            for name, wanted in request["RequestItems"].items():
                table = self._table("batch_get_item", {"TableName": name})
                keys = [table_key(table, key)[0] for key in wanted["Keys"]]
                if len(set(keys)) < len(keys):
                    raise Refused("Provided list of item keys contains duplicates")
                expressions, older = Expressions(wanted), self._older(table, wanted)
                items = [older.get(key, table.items.get(key)) for key in keys]
                responses[name] = [project(item, expressions) for item in items if item is not None]
        return {"Responses": responses, "UnprocessedKeys": {}}

    @operation("TransactItems")
    def transact_write_items(self, request: Request) -> Reply:
        """All or nothing; a cancelled transaction has one reason per action, in order."""
        name, writes, reasons = "transact_write_items", [], []
        plans = {"Put": plan_put, "Delete": plan_delete, "Update": plan_update}
        with self._refusing(name):
            if len(request["TransactItems"]) > 100:
                raise Refused(f"{INVALID}: more than 100 actions")
            for action in request["TransactItems"]:
                ((verb, details),) = action.items()
                table = self._table(name, details)
                try:
                    write = plans.get(verb, plan_delete)(table, details)
                except ConditionFailed as failed:
                    reasons.append({"Code": "ConditionalCheckFailed", "Message": FAILED, **failed.reply_part(details)})
                else:
                    reasons.append({"Code": "None"})
                    writes.append(write if verb in plans else Write(table, write.key, write.old, write.old))
            if len({(write.table.name, write.key) for write in writes}) < len(writes):
                raise Refused("Transaction request cannot include multiple operations on one item")
        codes = [reason["Code"] for reason in reasons]
        if any(code != "None" for code in codes):
            message = (
                f"Transaction cancelled, please refer cancellation reasons for specific reasons [{', '.join(codes)}]"
            )
            raise self.error(name, "TransactionCanceledException", message, CancellationReasons=reasons)
        for write in writes:
            write.store()
        return {}
