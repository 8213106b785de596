"""What the fakes saw in a run, and which invariants it broke.

Writes, events, dead letters and customers are recorded where they happen, with the process that caused them; the
invariants of that moment are checked at once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from tests.fakes.attributes import Item
from tests.fakes.queues import Message
from tests.pipeline import DLQ, PROFILES, QUEUE, USERS
from tests.simulation.invariants import REGISTERED, Moment
from tests.simulation.scheduler import Process
from tests.simulation.schedules import Person
from tests.simulation.writes import Answer, Write, sub_in

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation


class Observations:
    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.broken: dict[str, str] = {}
        self.writes = 0
        # people and their records
        self.confirmed: dict[str, Person] = {}
        self.trigger_calls: Counter[str] = Counter()
        self.trigger_errors: list[str] = []
        self.handed_over: set[str] = set()
        """The subs whose SignupNotRecorded reached its queue."""
        self.linked: set[tuple[str, str]] = set()
        self.relinked: set[tuple[str, str]] = set()
        self.holders: dict[str, set[str]] = defaultdict(set)
        """sub -> the keys of the records that have it now."""
        self.deleted: Counter[str] = Counter()
        self.admin_values: dict[str, dict[str, Any]] = defaultdict(dict)
        self.admin_roles: dict[str, list[Any]] = defaultdict(list)
        self.user_names: dict[str, str] = {}
        # messages and events
        self.event_ids: dict[str, set[str]] = defaultdict(set)
        self.event_counts: Counter[tuple[str, str]] = Counter()
        self.dead_letters: dict[str, list[dict[str, str]]] = defaultdict(list)
        self.dead_letter_bodies: set[str] = set()
        self.dead_lettered_at: dict[str, float] = {}
        self.dead_letters_by_process: dict[tuple[str, str], dict[str, str]] = {}
        self.last_queued: dict[str, tuple[Process, float]] = {}
        # outcomes
        self.ready: set[str] = set()
        self.handed_to_operator: set[str] = set()
        self.customer_counts: Counter[tuple[str, str]] = Counter()
        self.customer_subs: dict[str, str] = {}
        self.customer_owners: set[str] = set()
        self.relink_chains: dict[str, frozenset[str]] = {}
        """sub -> all subs of its record, joined by relinks."""
        self._raised: defaultdict[Process | None, set[str]] = defaultdict(set)
        self._watch_fakes()

    def check(self, moment: Moment, *arguments: Any) -> None:
        """Keeps the first problem of each invariant."""
        for invariant in REGISTERED[moment]:
            if invariant.name not in self.broken and (problem := invariant.check(self.sim, *arguments)):
                self.broken[invariant.name] = f"{invariant.sentence}\n    {problem}"
                self.sim.trace.append(f"{self.sim.scheduler.elapsed:12.3f} !! {invariant.name}: {problem}")

    # -- what the fakes see ----------------------------------------------------------------------------

    def _watch_fakes(self) -> None:
        for name in (USERS, PROFILES):
            table: Any = self.sim.dynamodb.tables[name]
            table.write = self._watched_write(name, table, table.write)
        dead_letters: Any = self.sim.sqs.queues[DLQ]
        dead_letters.add = self._watched_dead_letter(dead_letters.add)
        queue: Any = self.sim.sqs.queues[QUEUE]
        queue.add = self._watched_message(queue.add)
        stripe: Any = self.sim.stripe
        stripe._new_customer = self._watched_customer(stripe._new_customer)

    def _watched_write(self, name: str, table: Any, store: Callable[..., None]) -> Callable[..., None]:
        def write(key: tuple[str, ...], item: Item | None) -> None:
            old = table.items.get(key)
            store(key, item)
            process = self.sim.scheduler.process
            role, label = (process.role, process.label) if process else ("", "")
            self.writes += 1
            self._on_write(Write(name, key[0], old, item, role, label))

        return write

    def _on_write(self, write: Write) -> None:
        if write.table == USERS:
            self._on_record_write(write)
        else:
            self._on_profile_write(write)
        self.check("written", write)

    def _on_profile_write(self, write: Write) -> None:
        if write.role == "user" and (name := write.after("displayName")):
            self.user_names[write.key] = name
        if write.new is None:
            self.user_names.pop(write.key, None)
        if write.after("provisioningStatus") == "ready":
            self.ready.add(write.key)

    def _on_record_write(self, write: Write) -> None:
        if old := write.before("cognitoSub"):
            self.holders[old].discard(write.key)
            self.deleted[old] += write.new is None
        if new := write.after("cognitoSub"):
            if old and old != new:
                chain = self.chain(old) | self.chain(new)
                self.relink_chains |= dict.fromkeys(chain, chain)
            self.holders[new].add(write.key)
            self.linked.add((write.key, new))
        if write.kind_after == "operator":
            self.handed_to_operator.add(new or "")
        if write.kind_after == "enrich" and write.kind_before == "operator":
            self.last_queued.pop(new or "", None)  # a redrive: the user may be queued again at once
        if write.role == "admin":
            self._on_admin_write(write)
        if write.role == "operator" or write.new is None:
            self.last_queued.pop(new or old or "", None)

    def chain(self, sub: str) -> frozenset[str]:
        return self.relink_chains.get(sub, frozenset({sub}))

    def _on_admin_write(self, write: Write) -> None:
        old, new = write.old or {}, write.new or {}
        changed = {name: value for name, value in new.items() if old.get(name) != value}
        self.admin_values[write.key] = self.admin_values[write.key] | changed if write.new else {}
        self.admin_roles[write.key].append(new.get("roles"))

    def _watched_dead_letter(self, add: Callable[[Message], None]) -> Callable[[Message], None]:
        def watched(message: Message) -> None:
            add(message)
            attributes = {name: str(value.get("StringValue")) for name, value in message.attributes.items()}
            self.dead_letter_bodies.add(message.body)
            if sub := sub_in(message.body):
                self.dead_lettered_at[sub] = self.sim.clock()
            self.dead_letters[sub_in(message.body) or ""].append(attributes)
            process = self.sim.scheduler.process
            self.dead_letters_by_process[process.label if process else "", message.body] = attributes
            self.check("dead_lettered", attributes, process is not None and process.role == "worker")

        return watched

    def _watched_message(self, add: Callable[[Message], None]) -> Callable[[Message], None]:
        def watched(message: Message) -> None:
            add(message)
            if (process := self.sim.scheduler.process) and process.role == "reconcile":
                self.check("queued", sub_in(message.body) or "", process)

        return watched

    def _watched_customer(self, create: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
        def watched(parameters: Any) -> dict[str, Any]:
            customer = create(parameters)
            pool_and_sub = customer["metadata"].get("userPoolId", ""), customer["metadata"].get("cognitoSub", "")
            self.customer_subs[customer["id"]] = pool_and_sub[1]
            if all(pool_and_sub):
                self.customer_counts[pool_and_sub] += 1
                self.customer_owners.add(pool_and_sub[1])
                self.check("customer_created", pool_and_sub)
            return customer

        return watched

    # -- what the simulation reports -------------------------------------------------------------------

    def on_event(self, envelope: Mapping[str, Any]) -> None:
        if "replay-name" not in envelope:
            self.event_counts[envelope["detail-type"], envelope["detail"]["data"]["cognitoSub"]] += 1
            self.check("published", envelope)

    def on_task_end(self, arguments: tuple[Any, ...], task: Future[Any]) -> None:
        """Only the tasks of a batch's records have a mapping as their argument."""
        if not isinstance(record := arguments[0], dict):
            return
        if task.exception():
            self._raised[self.sim.scheduler.process].add(record["messageId"])
        elif task.result().outcome == "provisioned":
            self.check("provisioned", task.result().sub)

    def on_answer(self, worker: Process, answer: Any) -> None:
        failed = {item["itemIdentifier"] for item in answer["batchItemFailures"]}
        self.check("answered", Answer(failed, self._raised.pop(worker, set())))

    def on_worker_error(self, error: Exception) -> None:
        self.check("raised", error)

    def on_trigger_error(self, error: Exception) -> None:
        self.trigger_errors.append(str(error))

    def on_healed(self, sub: str) -> None:
        """A user that is refused now may not be later: an address changes, and records are deleted."""
        if (person := self.confirmed.get(sub)) and sub in self.sim.cognito.users and self.sim.is_refused(person):
            self.handed_over.discard(sub)

    def on_acknowledgement(self, worker: Process, record: Mapping[str, Any]) -> None:
        self.check("acknowledged", record, sub_in(record["body"]) or "", worker)
