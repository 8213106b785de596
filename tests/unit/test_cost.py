"""docs/cost.md is what the calls, sizes and prices of today give."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.bench.cost import PAGE, page, with_cold_starts
from tests.bench.report import PERFORMANCE
from tests.bench.signup_price import BURST, EVEN, Costs, Load, total
from tests.calls import Call

REMEDY = "run `python -m tests.bench.cost`"


@pytest.fixture(scope="module")
def costs() -> Costs:
    return Costs.measured()


def test_the_page_is_not_stale(costs: Costs) -> None:
    assert PAGE.read_text() == page(costs), REMEDY


def test_the_prices_of_cold_starts_are_not_stale(costs: Costs) -> None:
    text = PERFORMANCE.read_text()
    assert with_cold_starts(text, costs) == text, REMEDY


def test_each_write_of_a_signup_is_one_unit(costs: Costs) -> None:
    """An item of more than a kilobyte would cost two units for each write."""
    for calls, units in (
        (costs.calls.trigger, costs.usage.trigger_writes),
        (costs.calls.worker, costs.usage.worker_writes),
    ):
        writes = [call.target for call in calls if call.operation == "UpdateItem"]
        assert {table: writes.count(table) for table in writes} == {
            name: count for name, count in units.items() if "." not in name
        }


def test_the_indexes_are_written_when_their_keys_change(costs: Costs) -> None:
    """The event is owed in the first write of the trigger and removed in the last one of the worker."""
    assert +costs.usage.trigger_writes == {"Users": 1, "Users.CognitoSubIndex": 1, "Users.OwedIndex": 1}
    assert costs.usage.worker_writes["Users.OwedIndex"] == 1
    assert costs.usage.worker_writes["Users.CognitoSubIndex"] == 0


def test_a_further_call_makes_a_signup_more_expensive(costs: Costs) -> None:
    reads = [*costs.calls.worker, Call("GetItem", "Users")]
    more = replace(costs, calls=replace(costs.calls, worker=reads))
    assert all(dearer > now for dearer, now in zip(total(more.lines()), total(costs.lines()), strict=True))


def test_a_call_without_a_price_is_refused(costs: Costs) -> None:
    unknown = replace(costs, calls=replace(costs.calls, trigger=[Call("Publish", "topic")]))
    with pytest.raises(ValueError, match="Publish"):
        unknown.lines()


@pytest.mark.parametrize(("load", "share"), [(EVEN, 1.0), (BURST, 0.088), (Load(1.0, 1), 1.0)])
def test_xray_records_one_call_a_second_and_a_twentieth_of_the_others(load: Load, share: float) -> None:
    assert load.traced() == pytest.approx(share)


def test_a_batch_shares_its_wait(costs: Costs) -> None:
    alone, shared = costs.worker_ms(1), costs.worker_ms(10)
    assert alone - shared == pytest.approx(costs.worker_wait_ms() * 0.9)
