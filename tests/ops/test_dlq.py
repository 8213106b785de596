"""`onramp dlq` against the local stack: commands as typed, and their results."""

from __future__ import annotations

import json
import stat
import uuid
from pathlib import Path
from typing import Any

import pytest

from onramp.domain.event_data import delivery, user_signed_up
from onramp.ops.common import queue_reader
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.output import Output
from tests.deployed import DeployedPipeline, unique_email
from tests.ops.conftest import Onramp


@pytest.fixture(autouse=True)
def _no_long_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator is one server: a short poll misses no message."""
    monkeypatch.setattr(queue_reader, "LONG_POLL_SECONDS", 0)


@pytest.fixture
def cause() -> str:
    """An error code that only this test uses: the stack is shared."""
    return f"cause_{uuid.uuid4().hex[:8]}"


def refuse(deployed: DeployedPipeline, cause: str, *emails: str) -> list[str]:
    """Stripe refuses these users. Returns their subs as soon as each has its letter."""
    for email in emails:
        deployed.stripe.fault("refused", operation="create", match=email, code=cause, times=None)
    subs = [deployed.join(email) for email in emails]
    deployed.until_owed("operator", *emails)
    return subs


def groups(onramp: Onramp, cause: str) -> list[dict[str, Any]]:
    return [group for group in onramp("dlq", "list", "--json").json["groups"] if cause in group["errorCodes"]]


def put(deployed: DeployedPipeline, queue: str, body: str, values: dict[str, str]) -> str:
    attributes = {name: {"DataType": "String", "StringValue": value} for name, value in values.items()}
    url = deployed.outputs[queue]
    return str(deployed.sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes)["MessageId"])


def audit(onramp: Onramp, what: str) -> dict[str, Any]:
    """The latest row."""
    return next(row for row in onramp("audit", "--json").json if row["what"] == what)


def test_list_show_redrive_verify(onramp: Onramp, deployed: DeployedPipeline, cause: str) -> None:
    emails = [unique_email("ada"), unique_email("ben")]
    subs = refuse(deployed, cause, *emails)
    (group,) = groups(onramp, cause)
    assert (group["queue"], group["step"], group["reason"]) == ("provisioning", "stripe", "stripe_refused_400")
    assert group["sample"]["user"] in ("a***@example.com", "b***@example.com")

    shown = onramp("dlq", "show", group["sample"]["id"][:13])
    assert shown.code == 0
    assert "email         " not in shown.out
    assert not any(email in shown.out for email in emails), "masked"
    assert "profile now         failed" in shown.out
    assert f"Next: onramp dlq redrive --id {group['sample']['id'][:8]}" in shown.out

    stopped = onramp("dlq", "redrive", "--reason", cause, "--yes", "--wait", "20")
    assert stopped.code == 1
    assert f"the same reason came back (stripe: {cause})" in stopped.out
    assert groups(onramp, cause)[0]["count"] == 2, "the canary's new letter, and the letter of the other user"

    deployed.stripe.clear()
    ran = onramp("dlq", "redrive", "--reason", cause, "--yes", "--wait", "20", "--json")
    assert ran.code == 0
    assert ran.json["counts"] == {"sent": 2, "repaired": 2, "failed_again": 0, "on_the_way": 0}
    assert "is still deployed. It may fail again." in ran.err
    for email, sub in zip(emails, subs, strict=True):
        assert deployed.ready(email)
        assert len(deployed.customers_of(sub)) == 1
    assert audit(onramp, "dlq redrive")["details"]["reason"] == cause


def test_a_letter_of_eventbridge(onramp: Onramp, deployed: DeployedPipeline, cause: str) -> None:
    """The body is the event as it was on the bus; the attributes are EventBridge's."""
    email = unique_email("cyd")
    deployed.join(email)
    deployed.ready(email)
    user = OperatorContext(Output(as_json=True), "onramp-local").users.get(email)
    assert user is not None
    attributes = {"RULE_ARN": "arn:rule", "TARGET_ARN": "arn:queue", "ERROR_CODE": cause, "ERROR_MESSAGE": "\u202eno"}
    body = json.dumps(delivery(user_signed_up(user, correlation_id="test")))
    identity = put(deployed, "EventDeliveryDlqUrl", body, attributes)
    shown = onramp("dlq", "show", identity)
    assert "deliver" in shown.out
    assert r"ERROR_MESSAGE       \u202eno" in shown.out
    assert "nothing is wrong any more" in shown.out
    ran = onramp("dlq", "redrive", "--queue", "delivery", "--reason", cause, "--yes", "--wait", "10", "--json")
    assert ran.json["counts"] == {"sent": 0, "repaired": 0, "failed_again": 0, "on_the_way": 0, "ready_already": 1}


def test_export_and_drop(onramp: Onramp, deployed: DeployedPipeline, cause: str, tmp_path: Path) -> None:
    put(
        deployed,
        "ProvisioningDlqUrl",
        "nia@example.com",
        {"step": "=cmd()", "reason": "\u202e\n=x", "errorCode": cause},
    )
    path = tmp_path / "letters.csv"
    assert onramp("dlq", "export", str(path), "--reason", cause, "--csv").code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert "nia@" not in text
    assert r",'=cmd(),\u202e\n=x," in text
    assert (again := onramp("dlq", "export", str(path))).code == 2
    assert "exists" in again.err

    listed = onramp("dlq", "list")
    assert r"=cmd()  \u202e\n=x" in listed.out
    ran = onramp("dlq", "drop", "--reason", cause, "--reason-why", "a test's", "--yes")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "Deleted: 1.")
    row = audit(onramp, "dlq drop")
    assert (row["details"]["why"], row["count"]) == ("a test's", 1)


def test_reveal_is_audited(onramp: Onramp, deployed: DeployedPipeline, cause: str) -> None:
    identity = put(deployed, "ProvisioningDlqUrl", "nia@example.com", {"reason": "test", "errorCode": cause})
    assert "nia@example.com" in onramp("dlq", "show", identity, "--reveal").out
    assert audit(onramp, "reveal dlq show")["result"] == "done"
    onramp("dlq", "drop", "--id", identity, "--reason-why", "tidy", "--yes")


def test_native_moves_the_whole_queue(onramp: Onramp, deployed: DeployedPipeline, cause: str) -> None:
    email = unique_email("dan")
    refuse(deployed, cause, email)
    deployed.stripe.clear()
    ran = onramp("dlq", "redrive", "--native", "--yes", "--json")
    assert ran.code == 0
    assert ran.json["moved"] >= 1
    assert "No record is flipped" in ran.err
    deployed.ready(email)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["redrive", "--native", "--reason", "x"], "leave out the filters"),
        (["redrive", "--since", "yesterday"], "'yesterday' is not a time"),
        (["redrive", "--user", "nia"], "neither an e-mail address nor a Cognito sub"),
        (["redrive", "--queue", "other"], "'other' is not one of"),
        (["drop", "--reason", "x"], "Missing option '--reason-why'"),
        (["drop", "--reason-why", "x"], "no filter is given"),
        (["drop", "--reason", "x", "--reason-why", " "], "the reason is empty"),
        (["export", "/no/such/folder/file"], "cannot be written"),
    ],
)
def test_bad_input_is_an_error_message_and_exit_code_2(onramp: Onramp, arguments: list[str], message: str) -> None:
    ran = onramp("dlq", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_without_a_terminal_there_is_no_confirmation(onramp: Onramp, deployed: DeployedPipeline, cause: str) -> None:
    identity = put(deployed, "ProvisioningDlqUrl", "x", {"reason": "test", "errorCode": cause})
    ran = onramp("dlq", "redrive", "--reason", cause)
    assert ran.code == 2
    assert "add --yes" in ran.err
    assert onramp("dlq", "show", "no-such-id").code == 2
    assert onramp("dlq", "drop", "--id", identity, "--reason-why", "tidy", "--yes").code == 0
