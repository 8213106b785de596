"""Writes docs/cost.md, and the table of cold starts in docs/performance.md.

python -m tests.bench.cost
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.bench import prices as price
from tests.bench.cost_levers import levers
from tests.bench.report import PERFORMANCE, table, with_block
from tests.bench.signup_price import EVEN, MILLION, Costs, Line, total

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/cost.md"
TARGET = 10.0


def write_pages(costs: Costs) -> None:
    PAGE.write_text(page(costs))
    PERFORMANCE.write_text(with_cold_starts(PERFORMANCE.read_text(), costs))


def page(costs: Costs) -> str:
    lines = costs.lines()
    even, burst = total(lines)
    inline, _ = total(costs.inline())
    return f"""# The price of a signup

`python -m tests.bench.cost` writes this page, and a test fails if it is stale. The prices are AWS's list prices in
{price.REGION} of {price.DATE}, for arm64, without free tiers and discounts, in US dollars. They are multiplied by

- the calls that a signup makes in memory ([architecture.md](architecture.md#the-calls-of-one-signup)), and the sizes
  of its records, events and log lines there;
- durations: processor time as measured by tests/bench, and waits that are not measured: {price.DYNAMODB_MS:.0f} ms for
  DynamoDB, {price.EVENTBRIDGE_MS:.0f} ms for EventBridge, {price.PROVIDER_MS:.0f} ms for a provider.

[prices.py](../tests/bench/prices.py) has each of these numbers with the page or the command that it is from. Not
included: Cognito, e-mails, Stripe, RevenueCat, and your consumers of the events.

## A million signups

*Even*: spread over 30 days ({EVEN.per_second:.2f} a second; each message is its own batch).
*Burst*: 25 a second, in batches of ten.

{station_table(lines)}

**The target of ${TARGET:.0f} for a million signups is missed: ${even:.2f} even, ${burst:.2f} in a burst.**
{_dollars(lines, "DynamoDB")} of it are DynamoDB, for the reads and writes of [protocol.md](protocol.md), which names
the failure that each one prevents. {_rest(costs, lines)}

## The same work inside the trigger

A trigger that writes the profile and calls Stripe and RevenueCat itself, one after the other, at the same memory:

{station_table(costs.inline(), one_load=True)}

It costs ${inline:.2f}, because Lambda bills the time in which the trigger waits for the providers. Each user
waits {costs.inline_ms():.0f} ms instead of {costs.trigger_ms():.0f} ms, an outage of a provider fails the signup, and
nothing repeats the work. The difference of Onramp's price to it: {even - inline:+.2f} even, {burst - inline:+.2f} in a
burst.

## What would save more

{lever_table(costs)}

## Prices that do not depend on the signups

For a month of 30 days, with a pool and tables of a million users:

{monthly_table(costs)}

With `DataKeyArn` the services call AWS KMS for you, EventBridge for each event: each such request in a signup
adds ${price.KMS_REQUEST * MILLION:.2f} for a million signups. Without it, which is the default, no call of a signup
uses a customer managed key.
"""


def station_table(lines: Sequence[Line], *, one_load: bool = False) -> str:
    heads = ("US dollars",) if one_load else ("even", "burst")
    rows = [(line.station, line.quantity, *_amounts(line.dollars[: len(heads)])) for line in lines]
    rows.append(("**together**", "", *(f"**{amount}**" for amount in _amounts(total(lines)[: len(heads)]))))
    return table(("station", "for one signup", *heads), rows)


def lever_table(costs: Costs) -> str:
    rows = [(lever.what, *_amounts(lever.saves), lever.why) for lever in levers(costs)]
    return table(("lever", "saves, even", "saves, burst", "taken?"), rows)


def monthly_table(costs: Costs) -> str:
    reads = price.MONTH_SECONDS / (20 * 3600)
    polls = 2 * price.POLLERS * price.MONTH_SECONDS / price.POLL_SECONDS
    five_minutes = price.MONTH_SECONDS / 300
    keys = five_minutes * (2 * len(costs.calls.at_start) + 3)
    stored = costs.usage.stored_bytes * MILLION / price.GB
    rows = [
        (f"{len(costs.usage.metrics)} custom metrics", len(costs.usage.metrics) * price.METRIC_MONTH),
        (f"alarms on {costs.alarm_metrics} metrics", costs.alarm_metrics * price.ALARM_METRIC_MONTH),
        (f"the sweep: it reads each record {reads:.0f} times", reads * MILLION * price.READ_UNIT),
        ("SQS: Lambda polls two queues", polls * price.SQS_REQUEST),
        ("AWS KMS: the managed keys of three tables and of the provider keys", keys * price.KMS_REQUEST),
        (
            f"storage and backups of {stored:.1f} GB, without indexes",
            stored * (price.TABLE_GB_MONTH + price.BACKUP_GB_MONTH),
        ),
    ]
    rows.append(("**together**", sum(amount for _, amount in rows)))
    return table(("what", "US dollars"), [(what, f"{amount:.2f}") for what, amount in rows])


def with_cold_starts(text: str, costs: Costs) -> str:
    return with_block(text, "prices", cold_start_table(costs))


def cold_start_table(costs: Costs) -> str:
    """For a million signups a month, of which `COLD_SHARE` would start an environment."""
    gb, starts = costs.memory["trigger"] / 1024, price.COLD_SHARE * MILLION
    inits = starts * price.INIT_SECONDS * gb * price.LAMBDA_GB_SECOND
    cache = gb * price.MONTH_SECONDS * price.SNAPSHOT_GB_SECOND
    restores = starts * gb * price.SNAPSHOT_RESTORED_GB
    kept = gb * price.MONTH_SECONDS * price.PROVISIONED_GB_SECOND
    seconds = costs.trigger_ms() / 1000 * MILLION * gb
    cheaper = seconds * (price.LAMBDA_GB_SECOND - price.PROVISIONED_DURATION_GB_SECOND)
    rows = [
        ("none", "0.00", f"{inits:.2f} for {starts:,.0f} inits", f"{inits:.2f}"),
        (
            "snap-start",
            f"{cache:.2f} for each published version",
            f"{restores:.2f} for {starts:,.0f} restores",
            f"{cache + restores:.2f}",
        ),
        (
            "provisioned",
            f"{kept:.2f} for each environment",
            f"-{cheaper:.2f}: duration is cheaper in it",
            f"{kept - cheaper:.2f}",
        ),
    ]
    return table(("`TriggerColdStart`", "a month", "a million signups", "together"), rows)


def _amounts(dollars: Sequence[float]) -> list[str]:
    return [f"{amount:.2f}" for amount in dollars]


def _dollars(lines: Iterable[Line], station: str) -> str:
    return f"${total([line for line in lines if line.station.startswith(station)])[0]:.2f}"


def _rest(costs: Costs, lines: Sequence[Line]) -> str:
    writes = sum((costs.usage.trigger_writes + costs.usage.worker_writes).values())
    rest = [load_total - _database(lines) for load_total in total(lines)]
    return (
        f"The {writes} write units\nare of items below a kilobyte (the largest has {costs.usage.largest_item} bytes)."
        f" All other stations together: ${rest[0]:.2f} even,\n${rest[1]:.2f} in a burst."
    )


def _database(lines: Iterable[Line]) -> float:
    return total([line for line in lines if line.station.startswith("DynamoDB")])[0]


if __name__ == "__main__":
    write_pages(Costs.measured())
