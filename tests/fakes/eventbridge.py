"""An in-memory EventBridge behind the boto3 client's interface.

    bus = FakeEventBridge(clock, buses=("orders",))
    bus.add_rule("orders", {"source": ["shop"]}, sqs.sink("Work"))

`events` contains every accepted event, as the envelope that targets receive. A target is any callable, so a test can
lose, delay or repeat a delivery. An entry for a bus that does not exist is accepted and not delivered (`dropped`).
"""

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from tests.fakes.client import ACCOUNT, REGION, Clock, FakeClient, Reply, Request, operation
from tests.fakes.patterns import matches

MAX_ENTRIES = 10
MAX_BYTES = 1024 * 1024
Envelope = dict[str, Any]
Target = Callable[[Envelope], None]


class FakeEventBridge(FakeClient):
    service = "events"

    def __init__(self, clock: Clock, *, buses: Iterable[str] = (), validate: bool = True) -> None:
        super().__init__(clock, validate=validate)
        self.rules: dict[str, list[tuple[Mapping[str, Any], Target]]] = {name: [] for name in ("default", *buses)}
        self.events: list[Envelope] = []
        self.dropped: list[Envelope] = []
        self._accepted = 0

    def add_rule(self, bus: str, pattern: Mapping[str, Any], target: Target) -> None:
        self.rules[bus].append((pattern, target))

    def replay(self, bus: str, events: Iterable[Envelope], name: str = "replay") -> None:
        """Delivers events again, as an archive does: same id and time, marked with the replay's name."""
        for envelope in events:
            self._deliver(bus, envelope | {"replay-name": name})

    @operation("Entries")
    def put_events(self, request: Request) -> Reply:
        entries = request["Entries"]
        if len(entries) > MAX_ENTRIES:
            message = (
                f"1 validation error detected: Value at 'entries' failed to satisfy constraint: "
                f"Member must have length less than or equal to {MAX_ENTRIES}"
            )
            raise self.error("put_events", "ValidationException", message)
        if sum(map(entry_size, entries)) >= MAX_BYTES:
            message = "Total size of the entries in the request is over the limit."
            raise self.error("put_events", "ValidationException", message)
        results = [self._put(entry) for entry in entries]
        return {"FailedEntryCount": sum("ErrorCode" in result for result in results), "Entries": results}

    def _put(self, entry: Request) -> Reply:
        if problem := entry_problem(entry):
            return {"ErrorCode": problem[0], "ErrorMessage": problem[1]}
        self._accepted += 1
        envelope = self._envelope(entry)
        bus = entry.get("EventBusName", "default").rsplit("/", 1)[-1]
        if bus in self.rules:
            self.events.append(envelope)
            self._deliver(bus, envelope)
        else:
            self.dropped.append(envelope)
        return {"EventId": envelope["id"]}

    def _deliver(self, bus: str, envelope: Envelope) -> None:
        for pattern, target in self.rules[bus]:
            if matches(pattern, envelope):
                target(envelope)

    def _envelope(self, entry: Request) -> Envelope:
        moment = entry.get("Time") or self.now()
        if not isinstance(moment, datetime):
            moment = datetime.fromtimestamp(moment, UTC)
        return {
            "version": "0",
            "id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"event/{self._accepted}")),
            "detail-type": entry["DetailType"],
            "source": entry["Source"],
            "account": ACCOUNT,
            "time": moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": REGION,
            "resources": list(entry.get("Resources", [])),
            "detail": json.loads(entry["Detail"]),
        }


def entry_size(entry: Request) -> int:
    """As documented: 14 bytes for a Time, and the UTF-8 length of everything else."""
    texts = [entry.get("Source", ""), entry.get("DetailType", ""), entry.get("Detail", ""), *entry.get("Resources", [])]
    return 14 * ("Time" in entry) + sum(len(text.encode(errors="surrogatepass")) for text in texts)


def entry_problem(entry: Request) -> tuple[str, str] | None:
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            return "InvalidArgument", f"Parameter {name} is not valid. Reason: {name} is a required argument."
    if entry["Source"].startswith("aws."):
        return "NotAuthorizedForSourceException", "Not authorized for the source."
    for name, limit in (("Source", 256), ("DetailType", 128)):
        if len(entry[name]) > limit:
            return (
                "InvalidArgument",
                f"Parameter {name} is not valid. Reason: {name} is longer than {limit} characters.",
            )
    try:
        is_object = isinstance(json.loads(entry["Detail"], parse_constant=_no_constant), dict)
    except ValueError:
        is_object = False
    return None if is_object else ("MalformedDetail", "Detail is malformed.")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
