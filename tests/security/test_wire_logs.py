"""At DEBUG the SDKs log requests, replies and keys. In the functions they do not, at any level of the root logger.

The real handlers with the real SDKs over real HTTP, in this process, where the root logger can be captured.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import logging
import sys
import uuid
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from onramp.domain.users import Names, User
from onramp.local.fakes import revenuecat, stripe
from onramp.local.stack import LocalStack
from onramp.observability import logger
from tests.deployed import DeployedPipeline, unique_email
from tests.pipeline import signup
from tests.security.stage import message, new_user, sqs_record

LIBRARIES = ("aws_lambda_powertools", "boto3", "botocore", "stripe", "urllib3")
NAME = "Canarygiven"
CONTEXT = SimpleNamespace(
    function_name="onramp",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:eu-west-1:123456789012:function:onramp:live",
    aws_request_id="8a6e0804-2bd0-4672-b79d-d97027f9071a",
    get_remaining_time_in_millis=lambda: 5_000,
)


class Process:
    """An execution environment of Lambda: the deployed function's settings, and its output at DEBUG."""

    def __init__(self, stack: LocalStack, patch: pytest.MonkeyPatch) -> None:
        self.deployed = DeployedPipeline(stack)
        self.output, self.root = io.StringIO(), io.StringIO()
        self._stack, self._patch = stack, patch
        patch.setattr(logger.registered_handler, "stream", self.output)

    def call(self, function: str, folder: str, event: Any) -> Any:
        name = self.deployed.outputs[f"{function}FunctionName"]
        deployed = self._stack.client("lambda").get_function_configuration(FunctionName=name)
        for setting, value in (deployed["Environment"]["Variables"] | self._stack.environment()).items():
            self._patch.setenv(setting, value)
        sys.modules.pop(module := f"functions.{folder}.handler", None)
        with contextlib.redirect_stdout(self.output), contextlib.redirect_stderr(self.output):
            return importlib.import_module(module).handler(event, CONTEXT)

    def sign_up(self) -> str:
        email = unique_email("canary")
        event = signup(email, str(uuid.uuid4()), given_name=NAME) | {"userPoolId": self.deployed.outputs["UserPoolId"]}
        assert self.call("PostConfirmation", "post_confirmation", event) == event
        return email

    def enrich(self) -> User:
        """Enriches a user whose message the deployed worker has not received."""
        user = new_user(self.deployed, Names(NAME))
        answer = self.call("EnrichProfile", "enrich_profile", {"Records": [sqs_record(message(user))]})
        assert answer == {"batchItemFailures": []}
        return user


@contextlib.contextmanager
def at_debug(*names: str) -> Iterator[None]:
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


@pytest.fixture
def process(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    """The root logger is at DEBUG."""
    process = Process(stack, monkeypatch)
    handler = logging.StreamHandler(process.root)
    logging.getLogger().addHandler(handler)
    with at_debug(""):
        yield process
    logging.getLogger().removeHandler(handler)


def test_no_request_or_reply_reaches_the_root_logger(process: Process) -> None:
    email, user = process.sign_up(), process.enrich()
    output, root = process.output.getvalue(), process.root.getvalue()
    for secret in (email, user.user_id, NAME, stripe.LOCAL_KEY, revenuecat.LOCAL_KEY):
        assert secret not in output + root
    assert all(isinstance(json.loads(line), dict) for line in output.splitlines()), "one JSON object a line"
    assert str(user.cognito_sub) in output


def test_requests_reach_it_when_the_libraries_log_at_debug(process: Process) -> None:
    with at_debug(*LIBRARIES):
        user = process.enrich()
    assert user.user_id in process.root.getvalue()
    assert stripe.LOCAL_KEY in process.root.getvalue()
