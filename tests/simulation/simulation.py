"""One run of a schedule: the pipeline of `tests/pipeline.py`, with concurrent actors and faults."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from types import ModuleType, SimpleNamespace
from typing import Any, Self

from aws_lambda_powertools.utilities.parameters import base as parameters

from onramp.usecases import steps
from onramp.wiring import clients, connections, http, warm_up
from tests.fakes import SiteLog
from tests.fakes.attributes import Item
from tests.fakes.providers import HttpInMemory, StripeInMemory
from tests.pipeline import BUS, DLQ, HEAL_DLQ, HEAL_QUEUE, HEAL_RULE, QUEUE, RULE, USERS, InMemoryPipeline
from tests.simulation.delivery import Delivery
from tests.simulation.fault_injection import FaultInjector
from tests.simulation.lambdas import Lambdas
from tests.simulation.observations import Observations
from tests.simulation.remote_calls import RemoteCalls, RemoteClient, RemoteProvider
from tests.simulation.scheduler import NEVER, Process, Scheduler
from tests.simulation.schedules import Person, Schedule
from tests.simulation.tasks import GreenletExecutor
from tests.simulation.writes import text


class Simulation(InMemoryPipeline):
    def __init__(self, schedule: Schedule, sites: SiteLog | None = None) -> None:
        super().__init__(seed=schedule.seed, validate=False, **schedule.settings)
        self.schedule = schedule
        self.trace: list[str] = []
        self.sites = sites or SiteLog()
        self.scheduler = Scheduler(self.clock)
        self.faults = FaultInjector(schedule)
        self.remote_calls = RemoteCalls(self.scheduler, self.faults, self.sites, self.trace)
        self.clients: dict[str, Any] = {name: RemoteClient(fake, self.remote_calls) for name, fake in self.aws.items()}
        self.providers = {
            "stripe": RemoteProvider(self.stripe, self.remote_calls),
            "revenuecat": RemoteProvider(self.revenuecat, self.remote_calls),
        }
        self.dynamodb.read_lag = self.cognito.list_lag = schedule.lag
        self.cognito.clock = lambda: self.clock() + schedule.pool_skew
        self.cognito.most_listed = schedule.page
        self.cognito.empty_page = lambda number: schedule.page < 60 and number % 3 == 0
        self.observed = Observations(self)
        self.lambdas, self.delivery = Lambdas(self), Delivery(self)
        self.events.rules[BUS] = []
        self.events.add_rule(BUS, RULE, self.delivery.deliver)
        self.events.add_rule(BUS, HEAL_RULE, self.delivery.deliver_handover)
        self.events.add_rule(BUS, {"source": ["onramp.signup"]}, self.observed.on_event)

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

    def replacements(self) -> dict[tuple[ModuleType, str], Any]:
        sleeping = SimpleNamespace(advance=self.scheduler.sleep)
        stripe: Any = StripeInMemory(self.providers["stripe"], sleeping)  # type: ignore[arg-type]
        revenuecat: Any = HttpInMemory(self.providers["revenuecat"], sleeping)  # type: ignore[arg-type]
        return {
            (clients, "session"): lambda: SimpleNamespace(create_client=lambda service, **_: self.clients[service]),
            (clients, "now_millis"): self._now_millis,
            (clients, "monotonic"): self.clock,
            (clients, "sleep"): self.scheduler.sleep,
            (clients, "chance"): lambda: self._process.jitter_rng.random(),
            (clients, "threads"): lambda count, name: GreenletExecutor(self.scheduler, self.observed.on_task_end),
            (warm_up, "warm_up"): lambda rehearsal, replies: True,
            (connections, "open_connections"): lambda aws_clients: lambda: True,
            (http, "for_stripe"): lambda: stripe,
            (http, "for_revenuecat"): lambda: revenuecat,
            (steps, "wait"): _wait,
            # Powertools expires cached parameters by the wall clock; here they expire in virtual time.
            (parameters, "datetime"): SimpleNamespace(now=lambda: datetime.fromtimestamp(self.clock(), UTC)),
        }

    @property
    def _process(self) -> Process:
        process = self.scheduler.process
        if process is None:
            raise RuntimeError("only an actor has a clock and random numbers of its own")
        return process

    def _now_millis(self) -> int:
        return round((self.clock() + self._process.skew) * 1000)

    @contextlib.contextmanager
    def _logging(self) -> Iterator[None]:
        yield  # standard output is redirected for the whole run

    def new_process(self, label: str, role: str) -> Process:
        return Process(label, role, str(self.schedule.seed))

    # -- state, for the invariants ------------------------------------------------------------------------------

    def item(self, table: str, key: str) -> Item:
        return self.dynamodb.tables[table].items.get((key,), {})

    def text(self, table: str, key: str, name: str) -> str:
        """A string or number attribute; empty where there is none."""
        return text(self.item(table, key), name) or ""

    def is_refused(self, person: Person) -> bool:
        """By the design's trust table: the address has no trusted source, or this sub may not claim its record."""
        if self.observed.holders[person.sub]:
            return False
        email = self.cognito.users[person.sub].attributes["email"].lower()
        record = self.item(USERS, email)
        return not person.may_create or "cognitoSub" in record or (bool(record) and not person.may_link)

    def gauge(self, name: str) -> int | None:
        """The last logged value of a metric."""
        lines = (json.loads(line) for line in reversed(self.log.getvalue().splitlines()) if f'"{name}"' in line)
        return next((int(line[name][0]) for line in lines if name in line), None)

    def sweeps(self) -> int:
        """How many sweeps of the whole pool were completed."""
        return self.log.getvalue().count('"message":"swept"')

    # -- the whole run ---------------------------------------------------------------------------------

    def run(self, until: float = NEVER) -> None:
        self.scheduler.run(until, self.delivery.poll)

    def digest(self) -> str:
        """A hash of the whole run: calls with their times, stored items, queued messages, published events."""
        tables = [sorted(map(repr, table.items.items())) for table in self.dynamodb.tables.values()]
        queues = [
            [message.body for message in self.sqs.messages(queue)] for queue in (QUEUE, DLQ, HEAL_QUEUE, HEAL_DLQ)
        ]
        everything = (
            self.trace,
            tables,
            queues,
            self.events.events,
            self.stripe.customers(),
            self.revenuecat.customers(),
        )
        return hashlib.sha256(repr(everything).encode()).hexdigest()


def _wait(futures: list[Future[Any]]) -> None:
    """`concurrent.futures.wait` for actors: waiting lets other actors run."""
    for future in futures:
        with contextlib.suppress(Exception):
            future.result()
