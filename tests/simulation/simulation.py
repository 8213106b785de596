"""One run of a schedule: the pipeline of `tests/world.py`, with everybody in it at once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from functools import cache, partial
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any, Self

from aws_lambda_powertools.utilities.parameters import base as parameters

from onramp import steps
from onramp.wiring import clients, http
from tests.fakes import ProcessKilled, SiteLog
from tests.fakes.attributes import Item
from tests.fakes.lambda_events import failed_ids
from tests.fakes.providers import HttpInMemory, StripeInMemory
from tests.simulation.history import History, text
from tests.simulation.network import Network, RemoteClient, RemoteProvider
from tests.simulation.scheduler import NEVER, Greenlets, Process, Scheduler
from tests.simulation.schedules import Person, Schedule
from tests.simulation.weather import Weather
from tests.template import ROOT
from tests.world import BUS, DLQ, QUEUE, RULE, USERS, Context, World

CONCURRENCY = 2
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
SKEWS = {"worker": (0.0, 15 * MINUTE), "trigger": (DAY, MINUTE), "reconcile": (DAY, MINUTE), "operator": (DAY, MINUTE)}
TIMEOUTS = {"post_confirmation": 5.0, "enrich_profile": 60.0, "reconcile": 240.0}


class Simulation(World):
    def __init__(self, schedule: Schedule, sites: SiteLog | None = None) -> None:
        super().__init__(seed=schedule.seed, validate=False, **schedule.settings)
        self.schedule = schedule
        self.trace: list[str] = []
        self.sites = sites or SiteLog()
        self.scheduler = Scheduler(self.clock)
        self.weather = Weather(schedule)
        self.network = Network(self.scheduler, self.weather, self.sites, self.trace)
        self.clients: dict[str, Any] = {name: RemoteClient(fake, self.network) for name, fake in self.aws.items()}
        self.providers = {
            "stripe": RemoteProvider(self.stripe, self.network),
            "revenuecat": RemoteProvider(self.revenuecat, self.network),
        }
        self.dynamodb.read_lag = self.cognito.list_lag = schedule.lag
        self.cognito.most_listed = schedule.page
        self.cognito.empty_page = lambda number: schedule.page < 60 and number % 3 == 0
        self.history = History(self)
        self.events.rules[BUS] = []
        self.events.add_rule(BUS, RULE, self._deliver)
        self.events.add_rule(BUS, {"source": ["onramp.signup"]}, self.history.published)
        self.environments: dict[tuple[str, int], ModuleType] = {}
        self._busy: set[tuple[str, int]] = set()
        self._workers = self._batches = self._deliveries = 0
        self.mapping_off = 0
        self.releases: set[str] = set()
        self.overlap = self.deaths = 0
        """How many reconcilers ran at once at most; how many invocations were killed."""

    # -- the process -----------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        super().__enter__()
        self._stdout = contextlib.redirect_stdout(self.log)
        self._stdout.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.scheduler.close()
        self._stdout.__exit__(None, None, None)
        super().__exit__(*error)

    def outside(self) -> dict[tuple[ModuleType, str], Any]:
        sleeping = SimpleNamespace(advance=self.scheduler.sleep)
        stripe: Any = StripeInMemory(self.providers["stripe"], sleeping)  # type: ignore[arg-type]
        revenuecat: Any = HttpInMemory(self.providers["revenuecat"], sleeping)  # type: ignore[arg-type]
        return {
            (clients, "session"): lambda: SimpleNamespace(client=lambda service, **_: self.clients[service]),
            (clients, "now_millis"): self._now_millis,
            (clients, "monotonic"): self.clock,
            (clients, "sleep"): self.scheduler.sleep,
            (clients, "chance"): lambda: self._process.chance.random(),
            (clients, "threads"): lambda count, name: Greenlets(self.scheduler, self.history.task_ended),
            (http, "for_stripe"): lambda: stripe,
            (http, "for_revenuecat"): lambda connections: revenuecat,
            (steps, "wait"): _wait,
            # Powertools keeps parameters by the wall clock; here they grow old in virtual time.
            (parameters, "datetime"): SimpleNamespace(now=lambda: datetime.fromtimestamp(self.clock(), UTC)),
        }

    @property
    def _process(self) -> Process:
        process = self.scheduler.process
        if process is None:
            raise RuntimeError("only actors have a clock and luck of their own")
        return process

    def _now_millis(self) -> int:
        return round((self.clock() + self._process.skew) * 1000)

    # -- functions -------------------------------------------------------------------------------------

    def invoke(self, process: Process, function: str, event: Any) -> Any:
        """Lambda runs the function in an environment of its own. Returns and raises what its handler does."""
        environment = self._environment(function, process)
        if function == "reconcile":
            self.overlap = max(self.overlap, environment[1] + 1)
        process.deadline = self.clock() + TIMEOUTS[function]
        process.skew = self._skew(process.role, environment)
        try:
            answer = self._module(environment).handler(event, Context(self, TIMEOUTS[function]))
        except ProcessKilled:
            self.environments.pop(environment, None)
            self.deaths += 1
            raise
        finally:
            self._busy.discard(environment)
        process.deadline = NEVER
        return answer

    def person(self, label: str, role: str) -> Process:
        return Process(label, role, str(self.schedule.seed))

    def _environment(self, function: str, process: Process) -> tuple[str, int]:
        slot = next(slot for slot in range(1000) if (function, slot) not in self._busy)
        self._busy.add((function, slot))
        if self.schedule.rough and process.latency.random() < 0.1:
            self.environments.pop((function, slot), None)
        return function, slot

    def _module(self, environment: tuple[str, int]) -> Any:
        """Every other environment of a function still runs the older code."""
        if environment not in self.environments:
            os.environ["CODE_VERSION"] = release = "old" if environment[1] % 2 else "new"
            self.releases.add(f"{release} {environment[0]}")
            module = ModuleType(f"functions.{environment[0]}.handler")
            exec(handler_code(environment[0]), module.__dict__)  # noqa: S102  # an import that leaves sys.modules alone
            self.imported(module)
            self.environments[environment] = module
        return self.environments[environment]

    def imported(self, module: ModuleType) -> None:
        """A handler was imported: the place where mutants change one."""

    def _skew(self, role: str, environment: tuple[str, int]) -> float:
        if not self.schedule.rough or self.weather.calm:
            return 0.0
        rng = random.Random(f"{self.schedule.seed}/{environment}/skew")
        most = rng.choice((0.0, *SKEWS[role]))
        if any(step.kind == "restore" for step in self.schedule.steps):
            most = min(most, MINUTE)
        return most * rng.uniform(-1, 1)

    @contextlib.contextmanager
    def _logging(self) -> Iterator[None]:
        yield  # standard output is redirected for the whole run

    # -- bus and queue ---------------------------------------------------------------------------------

    def _deliver(self, envelope: Mapping[str, Any]) -> None:
        """From bus to queue, at least once and in no order; a target that fails for long is a loss."""
        self._deliveries += 1
        bus = self.person(f"bus-{self._deliveries}", "bus")
        spot = bus.label, "deliver"
        fault = self.weather.fault(bus, spot, ("lost", "twice", "hours", "days", "minutes", "newer"))
        delay = self.weather.latency(bus, spot)
        if fault == "lost":
            return
        delay += {"minutes": 40 * MINUTE, "hours": 25 * HOUR, "days": 20 * DAY}.get(fault or "", 0.0)
        body = dict(envelope) if fault != "newer" else newer(envelope)
        for copy in range(2 if fault == "twice" else 1):
            self.scheduler.later(delay + copy * self.weather.between(spot, 0, HOUR), lambda: self._queued(body))

    def _queued(self, body: Mapping[str, Any]) -> None:
        self.sqs.put(QUEUE, json.dumps(body, separators=(",", ":")))

    def poll(self) -> float:
        """The event source mapping: at most so many workers at a time."""
        queue = self.sqs.queues[QUEUE]
        while self._workers < CONCURRENCY and not self.mapping_off:
            if queue.next_visible() > self.clock():
                return queue.next_visible()
            batch = self.sqs.lambda_batch(QUEUE)
            if batch["Records"]:
                self._workers += 1
                self._batches += 1
                worker = self.person(f"worker-{self._batches}", "worker")
                self.scheduler.start(worker, partial(self._work, worker, batch))
        return NEVER

    def _work(self, worker: Process, batch: Mapping[str, Any]) -> None:
        try:
            answer = self.invoke(worker, "enrich_profile", batch)
            fault, _ = self.network.call("mapping.answer", ("lost_reply", "killed_after"))
        except Exception as error:  # noqa: BLE001  # the whole batch comes back
            self.history.raised(error)
        else:
            self.history.answered(worker, answer)
            if not fault:  # else the function is done, but the mapping never hears of it
                self._settle(worker, batch, answer)
        finally:
            self._workers -= 1

    def _settle(self, worker: Process, batch: Mapping[str, Any], answer: Any) -> None:
        failed = failed_ids(batch, answer)
        for record in batch["Records"]:
            if record["messageId"] not in failed:
                self.history.acknowledged(worker, record)
        self.sqs.settle(batch, answer)

    # -- what can be seen ------------------------------------------------------------------------------

    def item(self, table: str, key: str) -> Item:
        return self.dynamodb.tables[table].items.get((key,), {})

    def text(self, table: str, key: str, name: str) -> str:
        """A string or number attribute; empty where there is none."""
        return text(self.item(table, key), name) or ""

    def is_refused(self, person: Person) -> bool:
        """By the design's trust table, told from outside: nobody vouches, or the record is not theirs to take."""
        if self.history.holders[person.sub]:
            return False
        email = self.cognito.users[person.sub].attributes["email"].lower()
        record = self.item(USERS, email)
        return not person.may_create or "cognitoSub" in record or (bool(record) and not person.may_link)

    def gauge(self, name: str) -> int | None:
        """What was last said of a metric."""
        lines = (json.loads(line) for line in reversed(self.log.getvalue().splitlines()) if f'"{name}"' in line)
        return next((int(line[name][0]) for line in lines if name in line), None)

    def sweeps(self) -> int:
        """How often the whole pool was swept."""
        return self.log.getvalue().count('"message":"swept"')

    # -- the whole run ---------------------------------------------------------------------------------

    def run(self, until: float = NEVER) -> None:
        self.scheduler.run(until, self.poll)

    def digest(self) -> str:
        """Stands for everything that happened: what was called when, what was stored, queued and published."""
        tables = [sorted(map(repr, table.items.items())) for table in self.dynamodb.tables.values()]
        queues = [[message.body for message in self.sqs.messages(queue)] for queue in (QUEUE, DLQ)]
        everything = (
            self.trace,
            tables,
            queues,
            self.events.events,
            self.stripe.customers(),
            self.revenuecat.customers(),
        )
        return hashlib.sha256(repr(everything).encode()).hexdigest()


@cache
def handler_code(function: str) -> CodeType:
    path = ROOT / "functions" / function / "handler.py"
    return compile(path.read_text(), str(path), "exec")


def newer(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """The event as a later release may publish it: a minor version up, with fields nobody knows yet."""
    detail = envelope["detail"]
    return {
        **envelope,
        "canary": "canary-envelope",
        "detail": {
            "metadata": {**detail["metadata"], "schemaVersion": "1.9", "canary": "canary-metadata"},
            "data": {**detail["data"], "canary": {"deep": ["canary-data"]}},
            "canary": "canary-detail",
        },
    }


def _wait(futures: list[Future[Any]]) -> None:
    """`concurrent.futures.wait` for actors: their futures are waited for by letting others go on."""
    for future in futures:
        with contextlib.suppress(Exception):
            future.result()
