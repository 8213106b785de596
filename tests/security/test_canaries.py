"""Nothing of a user and nothing secret is said to anybody who need not know: logs, metrics, errors, dead letters.

What is meant to be seen is the sub, and a code for everything that goes wrong.
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
from tests.pipeline import POOL, PROFILES, USERS, InMemoryPipeline
from tests.security.canaries import CANARY, EMAIL, KEYS
from tests.security.paths import PATHS, SUB
from tests.security.sinks import Sinks

SENTENCE = "We could not complete your sign-up. Please contact support and quote "
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def world_with_secrets() -> InMemoryPipeline:
    pipeline = InMemoryPipeline()
    for name, key in KEYS.items():
        pipeline.ssm.set(name, key)
    pipeline.stripe.accepted_key, pipeline.revenuecat.accepted_key = KEYS.values()
    return pipeline


@pytest.mark.parametrize("level", [logging.INFO, logging.DEBUG], ids=["INFO", "DEBUG"])
@pytest.mark.parametrize("name", PATHS)
def test_no_way_through_the_functions_gives_a_canary_away(name: str, level: int) -> None:
    says, walk = PATHS[name]
    with world_with_secrets() as pipeline, Sinks(pipeline, level).open() as sinks:
        walk(sinks)
        assert says in pipeline.log.getvalue(), "this way was not gone"
        assert sinks.holding(CANARY) == []
        for line in pipeline.log.getvalue().splitlines():
            assert isinstance(json.loads(line), dict), "one JSON object a line"


def test_the_canaries_were_there_to_be_given_away() -> None:
    with world_with_secrets() as pipeline, Sinks(pipeline, logging.INFO).open() as sinks:
        PATHS["an_enrichment"][1](sinks)
        stored = json.dumps([pipeline.dynamodb.rows(USERS), pipeline.dynamodb.rows(PROFILES)], default=str)
        assert f"{CANARY}-request-userAttributes-given_name" in stored
        assert EMAIL in stored
        assert EMAIL in json.dumps(pipeline.stripe.customers())
        assert SUB in pipeline.log.getvalue(), "this is how a user is found in the log"


def test_every_sink_is_watched() -> None:
    """Whoever gave a canary away anywhere would be found."""
    with world_with_secrets() as pipeline, Sinks(pipeline, logging.DEBUG).open() as sinks:
        pipeline.sign_up(EMAIL, SUB)
        handler = pipeline.function("enrich_profile")
        letter = DeadLetter(
            "body", step=CANARY, reason="any", error_code="any", attempts=1, first_failed_at=0, code_version="1"
        )
        handler.enrich.queue.dead_letter(letter)
        failed = user_provisioning_failed(SUB, POOL, step=CANARY, reason="any", at=0, correlation_id="any")
        handler.enrich.publisher.publish(failed)
        logger.info("any", sub=CANARY)
        sys.stderr.write(CANARY)
        logging.getLogger("botocore.parsers").warning("any", extra={"body": CANARY})
        sinks.try_to(int, CANARY)
        found = {line.partition(":")[0] for line in sinks.holding(CANARY)}
        assert found == set(sinks.everything())


def test_every_refusal_says_the_same_but_for_its_reference() -> None:
    said = set()
    for _, walk in PATHS.values():
        with world_with_secrets() as pipeline, Sinks(pipeline, logging.INFO).open() as sinks:
            walk(sinks)
            said |= {re.sub(UUID, "", text) for text in sinks.raised if not text.startswith(("Traceback", " "))}
    assert len(said) == 2, "as its repr, and as the last line of its traceback"
    assert {SENTENCE in text for text in said} == {True}
