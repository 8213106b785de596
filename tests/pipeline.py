"""The whole pipeline in memory: the real handlers, use cases and adapters over fake AWS and fake providers.

    with InMemoryPipeline() as pipeline:
        pipeline.sign_up(EMAIL, SUB)   # Cognito invokes the trigger
        pipeline.run_worker()          # the worker receives batches until no message is visible
        assert pipeline.profile(SUB)["provisioningStatus"] == "ready"

Only the connections to the outside are replaced (`onramp.wiring.clients` and `.http`): settings, wiring, serialisation,
conditions and SDK errors are the real ones. Nothing runs in parallel and time is virtual: runs are repeatable.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import random
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any, Self

import pytest

from onramp.local.fakes.revenuecat import LOCAL_KEY as REVENUECAT_KEY
from onramp.local.fakes.revenuecat import LOCAL_PROJECT, FakeRevenueCat
from onramp.local.fakes.stripe import LOCAL_KEY as STRIPE_KEY
from onramp.local.fakes.stripe import FakeStripe
from onramp.observability import logger
from onramp.wiring import clients, connections, http, warm_up
from tests.fakes import (
    FakeCognito,
    FakeDynamoDB,
    FakeEventBridge,
    FakeLambda,
    FakeSqs,
    FakeSsm,
    Faulty,
    QueueSpec,
    SiteLog,
    TableSpec,
    VirtualClock,
)
from tests.fakes.faults import Plan
from tests.fakes.providers import HttpInMemory, StripeInMemory
from tests.template import tables

EMAIL = "nia@example.com"
SUB = "7d1f3a52-90b1-70c4-5e0f-2b8c1a6d4e01"
OTHER_SUB = "a4e8c0d6-1071-70f3-8b2a-6c5d9e3f1b02"
POOL = "eu-west-1_Onramp001"
BUS = "onramp"
USERS, PROFILES, OPERATIONS = "UsersTable", "UserProfilesTable", "OperationsTable"
QUEUE, DLQ = "Provisioning", "ProvisioningDlq"
HEAL_QUEUE, HEAL_DLQ = "SignupHeal", "SignupHealDlq"
RULE = {"source": ["onramp.signup"], "detail-type": ["UserSignedUp"]}
HEAL_RULE = {"source": ["onramp.internal"], "detail-type": ["SignupNotRecorded"]}
TRIGGER = "arn:aws:lambda:eu-west-1:123456789012:function:onramp-PostConfirmation:live"
SETTINGS = {
    "AWS_DEFAULT_REGION": "eu-west-1",
    "POWERTOOLS_SERVICE_NAME": "onramp-test",
    "USERS_TABLE_NAME": USERS,
    "USER_PROFILES_TABLE_NAME": PROFILES,
    "OPERATIONS_TABLE_NAME": OPERATIONS,
    "EVENT_BUS_NAME": BUS,
    "USER_POOL_IDS": POOL,
    "TRUSTED_IDENTITY_PROVIDERS": "Contoso@example.com",
    "EMIT_DUE_AFTER_SECONDS": "300",
    "ALLOWED_ROLES": "admin,manager,team_member",
    "DEFAULT_ROLE": "team_member",
    "ENRICH_DUE_AFTER_SECONDS": "43200",
    "MAX_RECEIVE_COUNT": "60",
    "RETRY_BACKOFF_BASE_SECONDS": "15",
    "MAXIMUM_CONCURRENCY": "2",
    "STRIPE_SECRET_NAME": "/stripe",
    "STRIPE_BASE_URL": "https://stripe.test",
    "STRIPE_REQUESTS_PER_SECOND": "20",
    "REVENUECAT_SECRET_NAME": "/revenuecat",
    "REVENUECAT_PROJECT_ID": LOCAL_PROJECT,
    "REVENUECAT_BASE_URL": "https://revenuecat.test",
    "REVENUECAT_REQUESTS_PER_MINUTE": "400",
    "RECONCILE_MOST": "500",
    "SWEEP_PAGES": "20",
    "SWEEP_MAX_REQUESTS_PER_SECOND": "6",
    "TRIGGER_ALIAS_ARN": TRIGGER,
    "SWEEP_GRACE_SECONDS": "300",
    "CODE_VERSION": "test-1",
}


class InlineExecutor(Executor):
    """Runs each task in `submit`. A BaseException, such as a killed process, is raised there and not stored."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  # a pool stores every exception of a task
            future.set_exception(error)
        return future


@dataclass
class LambdaContext:
    """Lambda's context, on the virtual clock."""

    pipeline: InMemoryPipeline
    timeout: float
    function_name: str = "onramp"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:onramp:live"

    def __post_init__(self) -> None:
        self.aws_request_id = str(uuid.UUID(int=self.pipeline.rng.getrandbits(128)))
        self._deadline = self.pipeline.clock() + self.timeout

    def get_remaining_time_in_millis(self) -> int:
        return max(0, round((self._deadline - self.pipeline.clock()) * 1000))


class InMemoryPipeline:
    def __init__(self, *, seed: int = 0, validate: bool = True, **settings: str) -> None:
        """`validate=False` skips botocore's checks of the requests, to make the simulator faster."""
        self.rng = random.Random(seed)
        self.clock = VirtualClock()
        self.settings = SETTINGS | settings
        specs = {name: TableSpec.of(table) for name, table in tables().items()}
        self.dynamodb = FakeDynamoDB(specs, self.clock, validate=validate)
        max_receives = int(self.settings["MAX_RECEIVE_COUNT"])
        queues = {
            QUEUE: QueueSpec(360, dead_letter_queue=DLQ, max_receive_count=max_receives),
            DLQ: QueueSpec(retention=14 * 86_400),
            HEAL_QUEUE: QueueSpec(360, dead_letter_queue=HEAL_DLQ, max_receive_count=240),
            HEAL_DLQ: QueueSpec(retention=14 * 86_400),
        }
        self.sqs = FakeSqs(queues, self.clock, validate=validate)
        self.settings |= {"PROVISIONING_QUEUE_URL": self.sqs.url(QUEUE), "PROVISIONING_DLQ_URL": self.sqs.url(DLQ)}
        self.events = FakeEventBridge(self.clock, buses=(BUS,), validate=validate)
        self.events.add_rule(BUS, RULE, self.sqs.sink(QUEUE))
        self.events.add_rule(BUS, HEAL_RULE, self.sqs.sink(HEAL_QUEUE))
        self.ssm = FakeSsm({"/stripe": STRIPE_KEY, "/revenuecat": REVENUECAT_KEY}, self.clock, validate=validate)
        self.cognito = FakeCognito(POOL, self.clock, validate=validate)
        self.cognito.triggers = {"PostConfirmation": TRIGGER}
        self.lambda_ = FakeLambda({TRIGGER: [self.cognito.arn]}, self.clock, validate=validate)
        self.stripe = FakeStripe(clock=self.clock)
        self.revenuecat = FakeRevenueCat(clock=self.clock)
        self._fakes: dict[str, Any] = {
            "dynamodb": self.dynamodb,
            "sqs": self.sqs,
            "events": self.events,
            "ssm": self.ssm,
            "cognito-idp": self.cognito,
            "lambda": self.lambda_,
        }
        self.aws = dict(self._fakes)
        """service -> the client that the functions get."""
        self.log = io.StringIO()

    # -- the process -----------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._patch = pytest.MonkeyPatch()
        for name, value in self.settings.items():
            self._patch.setenv(name, value)
        for (module, name), replacement in self.replacements().items():
            self._patch.setattr(module, name, replacement)
        handler: Any = logger.registered_handler
        self._patch.setattr(handler, "stream", self.log)
        self.cold_start()
        return self

    def replacements(self) -> dict[tuple[ModuleType, str], Any]:
        """(module, name) -> the replacement of each connection to the outside of the process."""
        return {
            (clients, "session"): lambda: SimpleNamespace(create_client=lambda service, **_: self.aws[service]),
            (clients, "now_millis"): lambda: round(self.clock() * 1000),
            (clients, "monotonic"): self.clock,
            (clients, "sleep"): self.clock.advance,
            (clients, "chance"): self.rng.random,
            (clients, "threads"): lambda count, name: InlineExecutor(),
            (warm_up, "warm_up"): lambda rehearsal, replies: True,
            (connections, "open_connections"): lambda aws_clients: lambda: True,
            (http, "for_stripe"): lambda: StripeInMemory(self.stripe, self.clock),
            (http, "for_revenuecat"): lambda: HttpInMemory(self.revenuecat, self.clock),
        }

    def __exit__(self, *_: object) -> None:
        self._patch.undo()

    def configure(self, **settings: str) -> None:
        """Changes settings and discards the execution environments, as a deployment does."""
        for name, value in settings.items():
            self._patch.setenv(name, value)
        self.cold_start()

    def cold_start(self) -> None:
        """New execution environments: the memory of the functions is lost."""
        self._functions: dict[str, ModuleType] = {}

    def inject_faults(self, service: str, plan: Plan | str, *, slow_seconds: float = 3.0) -> None:
        """From now on each call of the service has the fault that the plan returns; a name: every call has this one."""
        each_call: Plan = (lambda *_: plan) if isinstance(plan, str) else plan
        fake = self._fakes[service]
        self.aws[service] = Faulty(fake, each_call, SiteLog(), self.clock.advance, slow_seconds=slow_seconds)
        self.cold_start()

    def stop_faults(self, service: str) -> None:
        self.aws[service] = self._fakes[service]
        self.cold_start()

    def function(self, name: str) -> Any:
        if name not in self._functions:
            module = f"functions.{name}.handler"
            sys.modules.pop(module, None)
            with self._logging():
                self._functions[name] = importlib.import_module(module)
        return self._functions[name]

    @contextlib.contextmanager
    def _logging(self) -> Iterator[None]:
        with contextlib.redirect_stdout(self.log):
            yield

    # -- invocations -----------------------------------------------------------------------------------

    def invoke_trigger(self, event: Any) -> Any:
        """Cognito invokes the trigger. Returns its answer and raises its exceptions."""
        handler = self.function("post_confirmation").handler
        with self._logging():
            return handler(event, LambdaContext(self, 5.0))

    def sign_up(self, email: str, sub: str, **attributes: Any) -> Any:
        return self.invoke_trigger(signup(email, sub, **attributes))

    def pre_create(self, email: str, *roles: str, **more: Any) -> dict[str, Any]:
        item = {"userId": {"S": email}, "roles": {"L": [{"S": role} for role in roles]}, **more}
        item["onboarding"] = {"S": "pre_created"}
        self.dynamodb.put_item(TableName=USERS, Item=item, ConditionExpression="attribute_not_exists(userId)")
        return item

    def invoke_worker(self, event: Mapping[str, Any]) -> Any:
        """One invocation of the worker."""
        handler = self.function("enrich_profile").handler
        with self._logging():
            return handler(event, LambdaContext(self, 60.0))

    def run_worker(self) -> None:
        """The event source mapping, until no message is visible."""
        while (batch := self.sqs.lambda_batch(QUEUE))["Records"]:
            self.sqs.settle(batch, self.invoke_worker(batch))

    def run_worker_for(self, hours: float, step: float = 60.0) -> None:
        """The event source mapping for `hours` of virtual time, polling every `step` seconds."""
        until = self.clock() + hours * 3600
        self.run_worker()
        while self.clock() < until:
            self.clock.advance(step)
            self.run_worker()

    def invoke_heal(self, event: Mapping[str, Any], timeout: float = 60.0) -> Any:
        """One invocation of the function that heals signups."""
        handler = self.function("heal_signup").handler
        with self._logging():
            return handler(event, LambdaContext(self, timeout))

    def run_heal(self) -> None:
        """The event source mapping of the signups without a record, until no message is visible."""
        while (batch := self.sqs.lambda_batch(HEAL_QUEUE))["Records"]:
            self.sqs.settle(batch, self.invoke_heal(batch))

    def reconcile(self, timeout: float = 240.0) -> None:
        """One invocation by the schedule."""
        handler = self.function("reconcile").handler
        with self._logging():
            handler({}, LambdaContext(self, timeout))

    # -- state, for assertions -------------------------------------------------------------------------

    def user(self, email: str) -> dict[str, Any] | None:
        return next((row for row in self.dynamodb.rows(USERS) if row["userId"] == email), None)

    def profile(self, sub: str) -> dict[str, Any] | None:
        return next((row for row in self.dynamodb.rows(PROFILES) if row["userId"] == sub), None)

    def published(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events.events if event["detail-type"] == kind]

    def dead_letters(self) -> list[dict[str, str]]:
        return [
            {name: attribute["StringValue"] for name, attribute in message.attributes.items()} | {"body": message.body}
            for message in self.sqs.messages(DLQ)
        ]

    def log_lines(self) -> list[dict[str, Any]]:
        """The log. Fails if a line is not a JSON value."""
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    def metric(self, name: str) -> Any:
        """The last logged value of a metric; None if there is none."""
        return next((line[name][0] for line in reversed(self.log_lines()) if name in line), None)


def signup(email: Any, sub: Any, **attributes: Any) -> dict[str, Any]:
    """The PostConfirmation event of a native user with a verified address. `attributes` override; None removes one."""
    standard = {"sub": sub, "email": email, "email_verified": "true", "cognito:user_status": "CONFIRMED"}
    merged = {name.replace("__", ":"): value for name, value in attributes.items()}
    return {
        "version": "1",
        "region": "eu-west-1",
        "userPoolId": POOL,
        "userName": sub,
        "callerContext": {"awsSdkVersion": "aws-sdk", "clientId": "client"},
        "triggerSource": "PostConfirmation_ConfirmSignUp",
        "request": {
            "userAttributes": {name: value for name, value in (standard | merged).items() if value is not None}
        },
        "response": {},
    }
