"""What has happened in a run, as the fakes saw it, and what was wrong with it.

Writes, events, letters and customers are noted where they happen, with whoever caused them; the invariants are asked
on the spot.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.fakes.attributes import Item
from tests.fakes.queues import Message
from tests.pipeline import DLQ, PROFILES, QUEUE, USERS
from tests.simulation import invariants
from tests.simulation.invariants import Moment
from tests.simulation.scheduler import Process
from tests.simulation.schedules import Person

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation


@dataclass(frozen=True)
class Write:
    """One change of an item; None: absent. `role` is whose write it was."""

    table: str
    key: str
    old: Item | None
    new: Item | None
    role: str
    label: str

    def before(self, name: str) -> str | None:
        return text(self.old, name)

    def after(self, name: str) -> str | None:
        return text(self.new, name)

    @property
    def kind_before(self) -> str:
        """What was owed: `emit`, `enrich`, `operator`, or `` for nothing."""
        return (self.before("owed") or "").partition("#")[0]

    @property
    def kind_after(self) -> str:
        return (self.after("owed") or "").partition("#")[0]


@dataclass(frozen=True)
class Answer:
    """What the worker said of a batch, and which of its records it really could not do."""

    failed: set[str]
    raised: set[str]


def text(item: Item | None, name: str) -> str | None:
    """A string or number attribute."""
    value = (item or {}).get(name, {})
    return value.get("S", value.get("N"))


class History:
    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.writes = 0
        self.broken: dict[str, str] = {}
        self.confirmed: dict[str, Person] = {}
        self.relinked: set[tuple[str, str]] = set()
        self.linked: set[tuple[str, str]] = set()
        self.holders: dict[str, set[str]] = defaultdict(set)
        self.by_admin: dict[str, dict[str, Any]] = defaultdict(dict)
        self.roles_given: dict[str, list[Any]] = defaultdict(list)
        self.by_user: dict[str, str] = {}
        self.event_ids: dict[str, set[str]] = defaultdict(set)
        self.heard: Counter[tuple[str, str]] = Counter()
        self.triggers: Counter[str] = Counter()
        self.customers: Counter[tuple[str, str]] = Counter()
        self.owners: dict[str, str] = {}
        self.letters: dict[str, list[dict[str, str]]] = defaultdict(list)
        self.lettered: set[str] = set()
        self.written_by: dict[tuple[str, str], dict[str, str]] = {}
        self.queued: dict[str, tuple[Process, float]] = {}
        self.ready: set[str] = set()
        self.shown: set[str] = set()
        self.deleted: Counter[str] = Counter()
        self.poison: dict[str, str] = {}
        self.exceptions: list[str] = []
        self._raised: set[tuple[Process | None, str]] = set()
        self._watch()

    def ask(self, moment: Moment, *what: Any) -> None:
        """Notes the first problem of each invariant."""
        for invariant in invariants.ALL[moment]:
            if invariant.name not in self.broken and (problem := invariant.check(self.sim, *what)):
                self.broken[invariant.name] = f"{invariant.sentence}\n    {problem}"
                self.sim.trace.append(f"{self.sim.scheduler.elapsed:12.3f} !! {invariant.name}: {problem}")

    # -- the fakes, watched ----------------------------------------------------------------------------

    def _watch(self) -> None:
        for name in (USERS, PROFILES):
            table: Any = self.sim.dynamodb.tables[name]
            table.write = self._written(name, table, table.write)
        dead: Any = self.sim.sqs.queues[DLQ]
        dead.add = self._lettered(dead.add)
        queue: Any = self.sim.sqs.queues[QUEUE]
        queue.add = self._queued(queue.add)
        stripe: Any = self.sim.stripe
        stripe._new_customer = self._created(stripe._new_customer)

    def _written(self, name: str, table: Any, store: Callable[..., None]) -> Callable[..., None]:
        def write(key: tuple[str, ...], item: Item | None) -> None:
            old = table.items.get(key)
            store(key, item)
            process = self.sim.scheduler.process
            role, label = (process.role, process.label) if process else ("", "")
            self.writes += 1
            self._note(Write(name, key[0], old, item, role, label))

        return write

    def _note(self, write: Write) -> None:
        if write.table == USERS:
            self._note_record(write)
        else:
            self._note_profile(write)
        self.ask("written", write)

    def _note_profile(self, write: Write) -> None:
        if write.role == "user" and (name := write.after("displayName")):
            self.by_user[write.key] = name
        if write.new is None:
            self.by_user.pop(write.key, None)
        if write.after("provisioningStatus") == "ready":
            self.ready.add(write.key)

    def _note_record(self, write: Write) -> None:
        if old := write.before("cognitoSub"):
            self.holders[old].discard(write.key)
            self.deleted[old] += write.new is None
        if new := write.after("cognitoSub"):
            self.holders[new].add(write.key)
            self.linked.add((write.key, new))
        if write.kind_after == "operator":
            self.shown.add(new or "")
        if write.kind_after == "enrich" and write.kind_before == "operator":
            self.queued.pop(new or "", None)  # a new case: it may be queued again at once
        if write.role == "admin":
            was, item = write.old or {}, write.new or {}
            changed = {name: value for name, value in item.items() if was.get(name) != value}
            self.by_admin[write.key] = self.by_admin[write.key] | changed if write.new else {}
            self.roles_given[write.key].append(item.get("roles"))
        if write.role == "operator" or write.new is None:
            self.queued.pop(new or old or "", None)

    def _lettered(self, add: Callable[[Message], None]) -> Callable[[Message], None]:
        def watched(message: Message) -> None:
            add(message)
            attributes = {name: str(value.get("StringValue")) for name, value in message.attributes.items()}
            self.lettered.add(message.body)
            self.letters[sub_in(message.body) or ""].append(attributes)
            process = self.sim.scheduler.process
            self.written_by[process.label if process else "", message.body] = attributes
            self.ask("lettered", attributes, process is not None and process.role == "worker")

        return watched

    def _queued(self, add: Callable[[Message], None]) -> Callable[[Message], None]:
        def watched(message: Message) -> None:
            add(message)
            if (process := self.sim.scheduler.process) and process.role == "reconcile":
                self.ask("queued", sub_in(message.body) or "", process)

        return watched

    def _created(self, create: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
        def watched(parameters: Any) -> dict[str, Any]:
            customer = create(parameters)
            who = customer["metadata"].get("userPoolId", ""), customer["metadata"].get("cognitoSub", "")
            self.owners[customer["id"]] = who[1]
            if all(who):
                self.customers[who] += 1
                self.ask("customer", who)
            return customer

        return watched

    # -- what the simulation tells ---------------------------------------------------------------------

    def published(self, envelope: Mapping[str, Any]) -> None:
        if "replay-name" not in envelope:
            self.heard[envelope["detail-type"], envelope["detail"]["data"]["cognitoSub"]] += 1
            self.ask("published", envelope)

    def task_ended(self, arguments: tuple[Any, ...], task: Future[Any]) -> None:
        """A record of a batch: the only tasks whose argument is a mapping."""
        if not isinstance(record := arguments[0], dict):
            return
        if task.exception():
            self._raised.add((self.sim.scheduler.process, record["messageId"]))
        elif task.result().outcome == "provisioned":
            self.ask("provisioned", task.result().sub)

    def answered(self, worker: Process, answer: Any) -> None:
        failed = {item["itemIdentifier"] for item in answer["batchItemFailures"]}
        self.ask("answered", Answer(failed, {message for process, message in self._raised if process is worker}))

    def raised(self, error: Exception) -> None:
        self.ask("raised", error)

    def told(self, error: Exception) -> None:
        self.exceptions.append(str(error))

    def acknowledged(self, worker: Process, record: Mapping[str, Any]) -> None:
        self.ask("acknowledged", record["body"], sub_in(record["body"]) or "", worker)


def sub_in(body: str) -> str | None:
    try:
        return str(json.loads(body)["detail"]["data"]["cognitoSub"])
    except (ValueError, KeyError, TypeError):
        return None
