"""No personal data and no secret in logs, metrics, errors or the attributes of dead letters.

They contain the sub, and a code for every failure.
"""

from __future__ import annotations

import json
import logging
import re
import sys

import pytest

from onramp.domain.event_data import user_provisioning_failed
from onramp.observability import logger
from onramp.usecases.messages import DeadLetter
from tests.pipeline import POOL, PROFILES, SUB, USERS, InMemoryPipeline
from tests.security.canaries import CANARY, EMAIL, KEYS
from tests.security.paths import PATHS
from tests.security.sinks import Sinks

SENTENCE = "We could not complete your sign-up. Please contact support and quote "
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def pipeline_with_secrets() -> InMemoryPipeline:
    pipeline = InMemoryPipeline()
    for name, key in KEYS.items():
        pipeline.ssm.set(name, key)
    pipeline.stripe.accepted_key, pipeline.revenuecat.accepted_key = KEYS.values()
    return pipeline


@pytest.mark.parametrize("level", [logging.INFO, logging.DEBUG], ids=["INFO", "DEBUG"])
@pytest.mark.parametrize("name", PATHS)
def test_no_path_leaks_a_canary(name: str, level: int) -> None:
    logged, take = PATHS[name]
    with pipeline_with_secrets() as pipeline, Sinks(pipeline, level).open() as sinks:
        take(sinks)
        assert logged in pipeline.log.getvalue(), "this path was not taken"
        assert sinks.lines_with(CANARY) == []
        for line in pipeline.log.getvalue().splitlines():
            assert isinstance(json.loads(line), dict), "one JSON object a line"


def test_the_canaries_reach_tables_and_providers() -> None:
    with pipeline_with_secrets() as pipeline, Sinks(pipeline, logging.INFO).open() as sinks:
        PATHS["an_enrichment"][1](sinks)
        stored = json.dumps([pipeline.dynamodb.rows(USERS), pipeline.dynamodb.rows(PROFILES)], default=str)
        assert f"{CANARY}-request-userAttributes-given_name" in stored
        assert EMAIL in stored
        assert EMAIL in json.dumps(pipeline.stripe.customers())
        assert SUB in pipeline.log.getvalue(), "users are identified by their sub"


def test_every_sink_is_watched() -> None:
    """A canary in any output is found."""
    with pipeline_with_secrets() as pipeline, Sinks(pipeline, logging.DEBUG).open() as sinks:
        pipeline.sign_up(EMAIL, SUB)
        handler = pipeline.function("enrich_profile")
        dead_letter = DeadLetter(
            "body", step=CANARY, reason="any", error_code="any", attempts=1, first_failed_at=0, code_version="1"
        )
        handler.enrich.queue.dead_letter(dead_letter)
        failed = user_provisioning_failed(SUB, POOL, step=CANARY, reason="any", at=0, correlation_id="any")
        handler.enrich.publisher.publish(failed)
        logger.info("any", sub=CANARY)
        sys.stderr.write(CANARY)
        logging.getLogger("botocore.parsers").warning("any", extra={"body": CANARY})
        sinks.try_to(int, CANARY)
        found = {line.partition(":")[0] for line in sinks.lines_with(CANARY)}
        assert found == set(sinks.everything())


def test_every_refusal_says_the_same_but_for_its_reference() -> None:
    texts = set()
    for _, take in PATHS.values():
        with pipeline_with_secrets() as pipeline, Sinks(pipeline, logging.INFO).open() as sinks:
            take(sinks)
            texts |= {re.sub(UUID, "", text) for text in sinks.raised if not text.startswith(("Traceback", " "))}
    assert len(texts) == 2, "the repr, and the last line of the traceback"
    assert {SENTENCE in text for text in texts} == {True}
