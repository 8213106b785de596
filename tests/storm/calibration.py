"""The handlers themselves, in the simulator of `tests/simulation`, beside this model: the same burst in both."""

from __future__ import annotations

from dataclasses import dataclass

from tests.pipeline import PROFILES, USERS
from tests.simulation.fault_injection import USUAL_LATENCY
from tests.simulation.scale import HOUR, SignupBurst, small_simulation
from tests.storm.limits import Durations, Limits
from tests.storm.scenarios import Scenario
from tests.storm.tally import percentile

SIGNUPS, PER_HOUR = 4_000, 100_000
TOLERANCE = 0.05
SIMULATED = Durations(USUAL_LATENCY, USUAL_LATENCY, USUAL_LATENCY, 0.0)


@dataclass(frozen=True)
class Times:
    """Seconds to ready."""

    p50: float
    p95: float
    longest: float


def of_handlers(users: int) -> Times:
    """From the record's createdAt to the profile's updatedAt, as `run_burst` runs them, at its rate."""
    with small_simulation() as sim:
        SignupBurst(sim, users, HOUR * users / PER_HOUR)
        sim.run()
        tables = sim.dynamodb.tables
        ready = {item["userId"]["S"]: int(item["updatedAt"]["N"]) for item in tables[PROFILES].items.values()}
        times = sorted(
            (ready[item["cognitoSub"]["S"]] - int(item["createdAt"]["N"])) / 1000
            for item in tables[USERS].items.values()
        )
    assert len(times) == users
    return Times(percentile(times, 0.5), percentile(times, 0.95), percentile(times, 1.0))


def of_model(users: int, grain: int = 1) -> Times:
    burst = Scenario("calibration", PER_HOUR / HOUR, HOUR * users / PER_HOUR, grain=grain)
    found = burst.run(Limits.deployed(), SIMULATED)
    return Times(found.p50, found.p95, found.longest)


def difference(first: Times, second: Times) -> float:
    """The largest relative one."""
    pairs = zip((first.p50, first.p95, first.longest), (second.p50, second.p95, second.longest), strict=True)
    return max(abs(one - other) / one for one, other in pairs)
