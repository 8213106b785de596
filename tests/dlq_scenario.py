"""Dead letters in the in-memory pipeline of `tests.pipeline`, and the real `dlq` commands over it.

    with DlqScenario() as scenario:
        scenario.refuse("ada@example.com", ADA)           # Stripe answers 400; the letter is in the queue
        scenario.stripe.faults.clear()                    # the cause is mended
        report = scenario.redrive(reasons=("stripe_refused_400",))

While an operator waits, the worker runs. With a fault plan, the operator's AWS calls are killed,
delayed or answered wrongly.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from onramp.local.fakes.faults import Fault
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.dead_letters import DELIVERY, PROVISIONING
from onramp.ops.common.output import Output
from onramp.ops.dlq.drop_command import DropCommand, DropReport
from onramp.ops.dlq.filters import LetterFilter
from onramp.ops.dlq.redrive_command import RedriveCommand, RedriveReport
from onramp.ops.dlq.wiring import DlqWiring
from tests.fakes import Faulty, QueueSpec, SiteLog
from tests.fakes.faults import Plan
from tests.fakes.queues import Queue
from tests.pipeline import DLQ, OPERATIONS, PROFILES, QUEUE, USERS, InlineExecutor, InMemoryPipeline

RULE_DLQ = "EventDeliveryDlq"
BOTH = (PROVISIONING, DELIVERY)
OLD = "an-older-version"


class DlqScenario(InMemoryPipeline):
    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.sqs.queues[RULE_DLQ] = Queue(RULE_DLQ, QueueSpec(retention=14 * 86_400), self.clock, None)
        self.sites = SiteLog()

    # -- the operator ----------------------------------------------------------------------------------

    def context(self, plan: Plan | None = None) -> OperatorContext:
        """An operator; with a plan every AWS call goes through it."""
        clients = {
            name: Faulty(self.aws[name], plan, self.sites, self.clock.advance) if plan else self.aws[name]
            for name in ("sqs", "dynamodb")
        }
        settings = {"Environment": {"Variables": {"CODE_VERSION": self.settings["CODE_VERSION"]}}}
        clients["lambda"] = SimpleNamespace(get_function_configuration=lambda **_: settings)
        context = OperatorContext(
            Output(as_json=False),
            stack_name="onramp",
            now=lambda: round(self.clock() * 1000),
            monotonic=self.clock,
            sleep=self._wait,
            threads=lambda count: InlineExecutor(),
            clients=clients,
        )
        context.__dict__ |= {"outputs": self.outputs, "parameters": {}, "caller": "arn:aws:iam::123456789012:user/olu"}
        return context

    @property
    def outputs(self) -> Mapping[str, str]:
        return {
            "UsersTableName": USERS,
            "UserProfilesTableName": PROFILES,
            "OperationsTableName": OPERATIONS,
            "ProvisioningQueueUrl": self.sqs.url(QUEUE),
            "ProvisioningDlqUrl": self.sqs.url(DLQ),
            "EventDeliveryDlqUrl": self.sqs.url(RULE_DLQ),
            "EnrichProfileFunctionName": "onramp-EnrichProfile",
        }

    def _wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.run_worker()

    def redrive(self, plan: Plan | None = None, **options: Any) -> RedriveReport:
        context = self.context(plan)
        defaults = {
            "queues": BOTH,
            "limit": None,
            "rate": 0,
            "canary": True,
            "wait": 60.0,
            "from_table": False,
            "yes": True,
        }
        settings = {name: options.pop(name, default) for name, default in defaults.items()}
        return RedriveCommand(letter_filter=LetterFilter(**options), **settings).run(context, DlqWiring.of(context))

    def drop(self, plan: Plan | None = None, *, limit: int | None = None, **filters: Any) -> DropReport:
        context = self.context(plan)
        return DropCommand(LetterFilter(**filters), BOTH, limit, "a test", yes=True).run(context, DlqWiring.of(context))

    # -- dead letters ----------------------------------------------------------------------------------

    def refuse(self, email: str, sub: str, *, code: str = "email_invalid") -> None:
        """Stripe refuses this user until `stripe.faults` is cleared."""
        self.stripe.faults.add(Fault("refused", operation="create", match=email, times=None, status=400, code=code))
        self.sign_up(email, sub)
        self.run_worker()

    def refuse_by_revenuecat(self, email: str, sub: str) -> None:
        self.revenuecat.faults.add(Fault("refused", match=sub, times=None, status=422))
        self.sign_up(email, sub)
        self.run_worker()

    def copy(self, email: str) -> None:
        """The state after a worker died between sending its dead letter and deleting the message: two letters."""
        letter = next(message for message in self.sqs.messages(DLQ) if email in message.body)
        self.sqs.put(DLQ, letter.body, letter.attributes)

    def fail_delivery(self, email: str, sub: str) -> None:
        """EventBridge could not deliver the event of this signup."""
        self.sign_up(email, sub)
        (message,) = [message for message in self.sqs.messages(QUEUE) if email in message.body]
        self.sqs.queues[QUEUE].delete(message)
        attributes = {
            "RULE_ARN": "arn:aws:events:eu-west-1:123456789012:rule/onramp/signed-up",
            "TARGET_ARN": self.sqs.arn(QUEUE),
            "ERROR_CODE": "NO_PERMISSIONS",
            "ERROR_MESSAGE": "Lack of permissions to invoke cross account target.",
            "EXHAUSTED_RETRY_CONDITION": "MaximumRetryAttempts",
            "RETRY_ATTEMPTS": "0",
        }
        self.sqs.put(RULE_DLQ, message.body, strings(attributes))

    # -- state -----------------------------------------------------------------------------------------

    def letters_of(self, email: str) -> int:
        return sum(email in message.body for name in (DLQ, RULE_DLQ) for message in self.sqs.messages(name))

    def is_ready(self, email: str) -> bool:
        user = self.user(email) or {}
        profile = self.profile(str(user.get("cognitoSub"))) or {}
        return "owed" not in user and profile.get("provisioningStatus") == "ready"

    def customers_of(self, sub: str) -> int:
        return sum(customer["metadata"].get("cognitoSub") == sub for customer in self.stripe.customers())

    def audit(self) -> list[dict[str, Any]]:
        return [row for row in self.dynamodb.rows(OPERATIONS) if str(row["pk"]).startswith("AUDIT#")]


class Sends:
    """Counts the messages sent to the provisioning queue from now on, by user."""

    def __init__(self, scenario: DlqScenario) -> None:
        self.by_email: Counter[str] = Counter()
        queue = scenario.sqs.queues[QUEUE]
        add = queue.add

        def count(message: Any) -> None:
            self.by_email[json.loads(message.body)["detail"]["data"]["userId"]] += 1
            add(message)

        queue.add = count  # type: ignore[method-assign]


def strings(values: Mapping[str, str]) -> dict[str, Any]:
    return {name: {"DataType": "String", "StringValue": value} for name, value in values.items()}
