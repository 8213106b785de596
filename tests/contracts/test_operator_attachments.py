"""The rows of `onramp attach` in `Operations`: over the fake, moto and the emulator."""

from __future__ import annotations

from typing import Any

import pytest

from onramp.ops.tables.attachments import ReplacedTriggers
from tests.contracts.backends import Backend
from tests.template import tables

TABLE = "AttachmentsTable"  # a name of its own: the emulator is shared with the other contract tests
POOL, OTHER_POOL = "eu-west-1_Pool", "eu-west-1_Other"
CONFIRMATION = "arn:aws:lambda:eu-west-1:123456789012:function:theirs"
SIGN_IN = f"{CONFIRMATION}-sign-in"


@pytest.fixture(scope="module")
def db(backend: Backend) -> Any:
    return backend.tables({TABLE: tables()["OperationsTable"]})


@pytest.fixture
def replaced(db: Any) -> ReplacedTriggers:
    rows = ReplacedTriggers(db, TABLE)
    for pool in (POOL, OTHER_POOL):
        rows.remove(pool)
    return rows


def test_a_pool_that_was_never_attached_has_none(replaced: ReplacedTriggers) -> None:
    assert replaced.load(POOL) == {}


def test_the_replaced_functions_of_a_pool_are_read_back(replaced: ReplacedTriggers) -> None:
    both = {"PostConfirmation": CONFIRMATION, "PostAuthentication": SIGN_IN}
    replaced.save(POOL, both)
    assert replaced.load(POOL) == both
    assert replaced.load(OTHER_POOL) == {}


def test_attaching_again_overwrites_the_row(replaced: ReplacedTriggers) -> None:
    replaced.save(POOL, {"PostConfirmation": CONFIRMATION, "PostAuthentication": SIGN_IN})
    replaced.save(POOL, {"PostConfirmation": SIGN_IN})
    assert replaced.load(POOL) == {"PostConfirmation": SIGN_IN}
    replaced.save(POOL, {})
    assert replaced.load(POOL) == {}


def test_detaching_removes_the_row_of_this_pool_only(replaced: ReplacedTriggers) -> None:
    replaced.save(POOL, {"PostConfirmation": CONFIRMATION})
    replaced.save(OTHER_POOL, {"PostConfirmation": SIGN_IN})
    replaced.remove(POOL)
    replaced.remove(POOL)
    assert replaced.load(POOL) == {}
    assert replaced.load(OTHER_POOL) == {"PostConfirmation": SIGN_IN}


def test_the_row_is_where_the_design_says(db: Any, replaced: ReplacedTriggers) -> None:
    replaced.save(POOL, {"PostConfirmation": CONFIRMATION})
    key = {"pk": {"S": "ATTACHED#pool"}, "sk": {"S": POOL}}
    row = db.get_item(TableName=TABLE, Key=key, ConsistentRead=True)["Item"]
    assert row == {**key, "replaced": {"M": {"PostConfirmation": {"S": CONFIRMATION}}}}
