"""At night Stripe's key is revoked: the alarm rings, the doctor names it, its cure is run, and all drains by itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from onramp.local.fakes.stripe import LOCAL_KEY
from onramp.local.stack import LocalStack
from tests.conftest import QUICK
from tests.desk.aws_cli import run_aws
from tests.desk.conftest import Onramp
from tests.people import Town, eventually, somebody

PATIENT = QUICK | {"MaxReceiveCount": "60", "VisibilityTimeoutSeconds": "360"}
ROLLED = "sk_test_rolled"


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    """Of this module's own: what would dead-letter a message in the session's would not in production."""
    with LocalStack.start(enforce_iam=True, parameters=PATIENT) as own:
        yield own


def test_the_night_of_the_revoked_key(onramp: Onramp, town: Town) -> None:
    early = somebody("early")
    town.join(early)
    town.ready(early)
    assert onramp("doctor", "--only", "stripe").code == 0

    town.stripe.accept_key(ROLLED)  # somebody rolled it in Stripe's dashboard, and told nobody
    subs = {email: town.join(email) for email in (somebody("night") for _ in range(12))}

    def rings() -> bool:
        alarms = town.stack.client("cloudwatch").describe_alarms(StateValue="ALARM")["MetricAlarms"]
        return any("ProviderKeyRejected" in alarm["AlarmName"] for alarm in alarms)

    eventually(rings, what="ProviderKeyRejectedAlarm")

    ran = onramp("doctor", "--only", "alarms", "--only", "stripe", "--json")
    trouble = {found["check"]: found for found in ran.json["findings"] if found["level"] == "trouble"}
    assert ran.code == 1
    assert "ProviderKeyRejectedAlarm is in alarm" in trouble["alarms"]["what"]
    assert trouble["alarms"]["cure"] == "onramp doctor --only stripe --only revenuecat"
    assert "Stripe refuses the key in /onramp/local/stripe-key (401)" in trouble["stripe"]["what"]
    assert "nothing lost" in trouble["stripe"]["why"]
    assert LOCAL_KEY not in ran.out

    told = onramp("status", "--json").json
    assert told["providers"]["ProviderKeyRejected"]["last5Minutes"] > 0
    assert sum(told["owed"][kind] for kind in ("emit", "enrich")) == len(subs)
    assert told["queues"]["ProvisioningDlq"] == {"waiting": 0, "inHand": 0}

    run_aws(trouble["stripe"]["cure"].replace("KEY", ROLLED), town.stack.client)
    assert onramp("doctor", "--only", "stripe").code == 0
    for email, sub in subs.items():
        town.ready(email)
        assert len(town.customers_of(sub)) == 1

    told = onramp("status", "--json").json
    assert {kind: told["owed"][kind] for kind in ("emit", "enrich", "operator")} == {
        "emit": 0,
        "enrich": 0,
        "operator": 0,
    }
    assert told["queues"]["ProvisioningDlq"] == {"waiting": 0, "inHand": 0}, "the dead-letter queue stayed empty"
    assert (told["providers"]["RetriesExhausted"], told["providers"]["PermanentFailure"]) == (_none(), _none())
    assert onramp("doctor", "--only", "owed").code == 0


def _none() -> dict[str, int]:
    return {"last5Minutes": 0, "lastHour": 0}
