"""Each built artifact under Lambda's own runtime client: start, events, errors, partial failures, hostile input.

The artifacts are built for the Python that runs the tests and, where the machine has it, for the template's Python.
Their AWS is the local stack, with the settings of its deployed functions.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from scripts.build import build, install, interpreter_of

from tests.artifacts import host_artifacts
from tests.contracts.runtime_api import RUNTIME, Interpreter, LambdaRuntime
from tests.deployed import PASSWORD, DeployedPipeline, unique_email

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURES = {"aarch64": "arm64", "arm64": "arm64"}
FUNCTIONS = {
    "post_confirmation": "PostConfirmation",
    "enrich_profile": "EnrichProfile",
    "reconcile": "Reconcile",
    "heal_signup": "HealSignup",
}
SENTENCE = "We could not complete your sign-up. Please contact support and quote "
LONE = "\ud800"
FAR = 4_000_000_000_000

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Lambda's runtime client has wheels for Linux only")

Start = Callable[..., LambdaRuntime]


@cache
def template_python() -> str | None:
    """The path of the template's Python, behind a version manager's shim. None where the machine has none."""
    if not (command := interpreter_of("arm64", RUNTIME)):
        return None
    code = "import sys; print(sys.executable)"
    return subprocess.run([command, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module", params=["host", RUNTIME])
def interpreter(request: pytest.FixtureRequest) -> Interpreter:
    if request.param == "host":
        return Interpreter("host", sys.executable, "host", RUNTIME)
    if not (executable := template_python()):
        pytest.skip(f"this machine has no {RUNTIME}")
    return Interpreter(RUNTIME, executable, ARCHITECTURES.get(platform.machine(), "x86_64"), RUNTIME)


@pytest.fixture(scope="module")
def folders(interpreter: Interpreter, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The artifact of each function, and the runtime client."""
    target = tmp_path_factory.mktemp(interpreter.name)
    lock = ROOT / "requirements" / "runtime-client.txt"
    install(lock, target / "client", interpreter.architecture, interpreter.runtime)
    if interpreter.architecture == "host":
        return host_artifacts(tmp_path_factory) | {"client": target / "client"}
    for function in FUNCTIONS:
        build(function, target / function, interpreter.architecture, interpreter.runtime)
    return {path.name: path for path in target.iterdir()}


@pytest.fixture
def start(interpreter: Interpreter, folders: dict[str, Path], deployed: DeployedPipeline) -> Start:
    """`start("post_confirmation", NAME="other value")`: with the settings of the deployed function."""

    def start(function: str, **settings: str) -> LambdaRuntime:
        variables = deployed.settings(FUNCTIONS[function]) | deployed.stack.environment() | settings
        return LambdaRuntime(interpreter, folders[function], folders["client"], function, variables)

    return start


@pytest.fixture
def trigger(start: Start) -> Iterator[LambdaRuntime]:
    with start("post_confirmation") as runtime:
        yield runtime


def signup(deployed: DeployedPipeline, **attributes: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((ROOT / "events/post_confirmation_native.json").read_text())
    event["userPoolId"] = deployed.outputs["UserPoolId"]
    event["request"]["userAttributes"] |= {"sub": str(uuid.uuid4()), "email": unique_email("runtime"), **attributes}
    return event


def email_of(event: dict[str, Any]) -> str:
    return str(event["request"]["userAttributes"]["email"])


class TestTrigger:
    def test_a_signup_gets_its_record_and_its_event_back(
        self, trigger: LambdaRuntime, deployed: DeployedPipeline
    ) -> None:
        for event in (signup(deployed), signup(deployed, given_name="Zoë 木")):
            reply = trigger.invoke(event)
            assert (reply.kind, reply.body) == ("response", event), trigger.log()
            assert deployed.user(email_of(event))

    def test_a_signup_after_a_restore_by_snapstart(self, start: Start, deployed: DeployedPipeline) -> None:
        """The client runs the hook of wiring/restore.py; an error in it would be the reply."""
        with start("post_confirmation", AWS_LAMBDA_INITIALIZATION_TYPE="snap-start") as trigger:
            event = signup(deployed)
            reply = trigger.invoke(event)
            assert (reply.kind, reply.body, trigger.restores) == ("response", event, 1), trigger.log()
            assert deployed.user(email_of(event))

    def test_a_rejection_is_one_sentence_and_the_runtime_lives_on(
        self, trigger: LambdaRuntime, deployed: DeployedPipeline
    ) -> None:
        event = signup(deployed, email_verified="false")
        reply = trigger.invoke(event)
        assert (reply.kind, reply.body["errorType"]) == ("error", "SignUpFailed")
        assert reply.body["errorMessage"] == f"{SENTENCE}{trigger.request_id}."
        assert deployed.user(email_of(event)) is None
        assert trigger.invoke(signup(deployed)).kind == "response"

    @pytest.mark.parametrize("place", ["given_name", "custom:any", "clientMetadata", "a key"])
    def test_a_lone_surrogate_anywhere_is_no_error_after_the_record_was_written(
        self, trigger: LambdaRuntime, deployed: DeployedPipeline, place: str
    ) -> None:
        event = signup(deployed)
        request = event["request"]
        if place == "clientMetadata":
            request["clientMetadata"] = {"campaign": f"spring{LONE}"}
        elif place == "a key":
            request[f"unknown{LONE}"] = "any"
        else:
            request["userAttributes"][place] = f"any{LONE}"
        reply = trigger.invoke(event)
        assert (reply.kind, reply.body["userName"]) == ("response", event["userName"]), trigger.log()
        assert LONE not in json.dumps(reply.body, ensure_ascii=False)
        assert deployed.user(email_of(event))
        assert trigger.invoke(signup(deployed)).kind == "response", "the same environment serves the next signup"

    def test_an_event_that_is_no_json_ends_this_invocation_only(
        self, trigger: LambdaRuntime, deployed: DeployedPipeline
    ) -> None:
        reply = trigger.invoke(b"no json")
        assert (reply.kind, reply.body["errorType"]) == ("error", "Runtime.UnmarshalError")
        assert trigger.invoke(signup(deployed)).kind == "response"


class TestWorker:
    def test_of_a_batch_only_the_record_to_retry_is_reported(self, start: Start, deployed: DeployedPipeline) -> None:
        """One user is provisioned, one meets an outage of Stripe, one message is malformed."""
        good, waiting = owed_user(deployed), owed_user(deployed)
        deployed.stripe.fault("server_error", operation="create", match=waiting["cognitoSub"], times=None)
        poison = f"no json {uuid.uuid4()}"
        bodies = [delivery(good), delivery(waiting), poison]
        with start("enrich_profile") as worker:
            reply = worker.invoke({"Records": [message(n, body) for n, body in enumerate(bodies)]})
            assert reply.kind == "response", worker.log()
            assert reply.body == {"batchItemFailures": [{"itemIdentifier": "message-1"}]}, worker.log()
            assert worker.invoke({"Records": [message(0, delivery(good))]}).body == {"batchItemFailures": []}
        assert deployed.ready(good["userId"])["stripeCustomerId"]
        assert deployed.owes(waiting["userId"], "enrich")
        assert deployed.dead_letter(poison)["reason"] == "malformed_event"

    def test_an_outage_for_the_whole_batch_is_no_error_of_the_function(
        self, start: Start, deployed: DeployedPipeline
    ) -> None:
        user = owed_user(deployed)
        deployed.stripe.fault("server_error", operation="create", match=user["cognitoSub"], times=None)
        with start("enrich_profile") as worker:
            reply = worker.invoke({"Records": [message(0, delivery(user))]})
        assert reply == ("response", {"batchItemFailures": [{"itemIdentifier": "message-0"}]}, None)

    def test_what_is_no_batch_is_an_error_and_the_runtime_lives_on(self, start: Start) -> None:
        with start("enrich_profile") as worker:
            for _ in range(2):
                reply = worker.invoke({})
                assert (reply.kind, reply.body["errorType"]) == ("error", "KeyError")


def test_a_signup_is_healed_and_a_malformed_message_is_reported(start: Start, deployed: DeployedPipeline) -> None:
    email = unique_email("runtime")
    data = {"userPoolId": deployed.outputs["UserPoolId"], "cognitoSub": confirmed_without_a_record(deployed, email)}
    bodies = [json.dumps({"detail": {"data": data}}), "no json", LONE]
    with start("heal_signup") as healer:
        reply = healer.invoke({"Records": [message(n, body) for n, body in enumerate(bodies)]})
        assert reply.kind == "response", healer.log()
        assert reply.body == {"batchItemFailures": [{"itemIdentifier": f"message-{n}"} for n in (1, 2)]}, healer.log()
        assert deployed.user(email)
        reply = healer.invoke({})
        assert (reply.kind, reply.body["errorType"]) == ("error", "KeyError")
        assert healer.invoke({"Records": []}).body == {"batchItemFailures": []}, "the runtime lives on"


def test_the_reconciler_runs_and_returns_nothing(start: Start) -> None:
    with start("reconcile") as reconciler:
        for event in ({}, {"detail": LONE}):
            assert reconciler.invoke(event) == ("response", None, None), reconciler.log()


@pytest.mark.parametrize(
    ("function", "setting", "value"),
    [
        ("post_confirmation", "TRUSTED_IDENTITY_PROVIDERS", "Okta"),
        ("enrich_profile", "MAX_RECEIVE_COUNT", "many"),
        ("reconcile", "SWEEP_PAGES", "0"),
        ("heal_signup", "TRUSTED_IDENTITY_PROVIDERS", "Okta"),
    ],
)
def test_a_wrong_setting_is_reported_at_the_start(start: Start, function: str, setting: str, value: str) -> None:
    with start(function, **{setting: value}) as runtime:
        kind, body, error_type = runtime.reply()
        assert (kind, error_type) == ("init", "ConfigurationError"), runtime.log()
        assert setting in body["errorMessage"].upper()
        assert runtime.exit_code() == 1


def test_a_missing_setting_is_named(start: Start) -> None:
    with start("post_confirmation", USERS_TABLE_NAME="") as runtime:
        assert "USERS_TABLE_NAME" in runtime.reply().body["errorMessage"]


def confirmed_without_a_record(deployed: DeployedPipeline, email: str) -> str:
    """A user that an administrator created: Cognito calls no trigger. Returns the sub."""
    user = {"UserPoolId": deployed.outputs["UserPoolId"], "Username": email}
    attributes = [{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}]
    created = deployed.cognito.admin_create_user(**user, UserAttributes=attributes, MessageAction="SUPPRESS")["User"]
    deployed.cognito.admin_set_user_password(**user, Password=PASSWORD, Permanent=True)
    return next(str(each["Value"]) for each in created["Attributes"] if each["Name"] == "sub")


def owed_user(deployed: DeployedPipeline) -> dict[str, Any]:
    """A record that no other component processes: `enrich` is owed and due in a hundred years."""
    sub, email, now = str(uuid.uuid4()), unique_email("runtime"), round(time.time() * 1000)
    record = deployed.pre_create(
        email,
        "team_member",
        cognitoSub={"S": sub},
        userPoolId={"S": deployed.outputs["UserPoolId"]},
        identityProvider={"S": "Cognito"},
        emailVouchedBy={"S": "cognito"},
        linkedAt={"N": str(now)},
        updatedAt={"N": str(now)},
        owed={"S": "enrich#0"},
        owedSince={"N": str(now)},
        dueAt={"N": str(FAR)},
    )
    return {name: next(iter(value.values())) for name, value in record.items()}


def delivery(user: dict[str, Any]) -> str:
    """The sample's first event, for this user."""
    sample = json.loads((ROOT / "events/sqs_batch.json").read_text())["Records"][0]["body"]
    event = json.loads(sample)
    event["detail"]["data"] |= {
        "userId": user["userId"],
        "email": user["userId"],
        "cognitoSub": user["cognitoSub"],
        "userPoolId": user["userPoolId"],
    }
    return json.dumps(event)


def message(number: int, body: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((ROOT / "events/sqs_batch.json").read_text())["Records"][0]
    return record | {"messageId": f"message-{number}", "receiptHandle": f"receipt-{number}", "body": body}
