"""Events and rows of release 1.0, frozen: every later worker must process each to the same end.

The contents of the corpus are never changed, only added to. A release that cannot process it fails after its
deployment, on messages in the queue and on users whose provisioning has begun.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer

from onramp.local.fakes.messages import Request
from tests.pipeline import PROFILES, QUEUE, USERS, InMemoryPipeline
from tests.simulation.mutants.mutant import NIA, TWICE, at, plan
from tests.simulation.runner import run_schedule

CORPUS = sorted((Path(__file__).parent / "corpus").glob("*.json"))
HOUR = 3600.0


@pytest.fixture
def pipeline() -> Iterator[InMemoryPipeline]:
    with InMemoryPipeline() as pipeline:
        yield pipeline


def store(pipeline: InMemoryPipeline, table: str, row: dict[str, Any] | None) -> None:
    if row:
        item = {name: TypeSerializer().serialize(value) for name, value in row.items()}
        pipeline.dynamodb.put_item(TableName=table, Item=item)


def earlier_request(pipeline: InMemoryPipeline, row: dict[str, Any], key: str, hours_ago: float) -> None:
    """The customer that Stripe created for the stored intent, `hours_ago`."""
    body = row["provisioning"]["stripeIntent"]["body"]
    metadata = "".join(f"&metadata[{name}]={value}" for name, value in body["metadata"].items())
    headers = {"authorization": f"Bearer {pipeline.stripe.accepted_key}", "idempotency-key": key}
    pipeline.stripe.clock.advance(-hours_ago * HOUR)
    text = f"email={body['email']}&name={body['name']}{metadata}"
    assert pipeline.stripe.handle(Request("POST", "/v1/customers", "", headers, text.encode())).status == 200
    pipeline.stripe.clock.advance(hours_ago * HOUR)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_data_of_release_1_0_ends_as_it_did_then(pipeline: InMemoryPipeline, path: Path) -> None:
    case = json.loads(path.read_text())
    store(pipeline, USERS, case["record"])
    store(pipeline, PROFILES, case["profile"])
    if case["stripe"]:
        earlier_request(pipeline, case["profile"], case["stripe"]["key"], case["stripe"]["hoursAgo"])
    delivered = case["delivered"]
    pipeline.sqs.put(QUEUE, delivered if isinstance(delivered, str) else json.dumps(delivered))
    pipeline.run_worker()
    if reason := case["ends"].get("reason"):
        assert [dead_letter["reason"] for dead_letter in pipeline.dead_letters()] == [reason]
        assert pipeline.dynamodb.rows(PROFILES) == []
        return
    (profile,) = pipeline.dynamodb.rows(PROFILES)
    assert profile["provisioningStatus"] == "ready"
    assert "owed" not in pipeline.dynamodb.rows(USERS)[0]
    assert [customer["id"] for customer in pipeline.stripe.customers()] == [profile["stripeCustomerId"]]
    assert len(pipeline.published("UserProvisioned")) == 1
    if case["profile"]:
        assert profile["displayName"] == case["profile"]["displayName"]
    assert pipeline.dead_letters() == []


def test_the_corpus_is_complete() -> None:
    assert len(CORPUS) >= 16


@pytest.mark.parametrize("fault", ["killed_after", "lost_reply", "stored_500", "refused"])
def test_two_releases_continue_the_intent_and_steps_of_each_other(fault: str) -> None:
    """Two workers of one user, one of the older release (today's code under another name) and one of the newer; one of
    them receives the event in a newer minor version. The second worker continues the intent and steps of the first.

    There is one release so far; from the second one on, the frozen rows above are the data of the older release.
    """
    result = run_schedule(
        plan(
            at(0, "sign_up", NIA, **TWICE),
            faults={"bus-nia-2 deliver": "newer", "worker-nia-1 StripeCustomers.create": fault},
        )
    )
    assert result.broken == {}
    assert {"old enrich_profile", "new enrich_profile"} <= result.releases
