"""Draws a schedule from a seed: a few people, the steps of minutes, a day or a month, and the rate of faults."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from tests.simulation.schedules import Person, Schedule, Step

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
NAMES = ("nia", "omar", "pia", "quin")
TRUST = ("verified",) * 6 + ("google", "google_unverified", "stranger", "unverified")
CALLS = ((0.0,),) * 5 + ((), (), (0.0, 0.02), (0.0, 5.0), (0.0, 2.0, 5.5))
ROLES = ("admin", "manager")
POISON = ("unknown", "future", "malformed", "[[[[")
SPANS = (10 * MINUTE, 2 * HOUR, 30 * HOUR, 4 * DAY, 25 * DAY)
FAULT_RATES = (0.0, 0.01, 0.03, 0.1, 0.25)
HOURS_AROUND_KEY_EXPIRY = (19.5, 20.2, 20.9, 21.2, 23.9, 24.3, 25.0)
Rng = random.Random


def random_schedule(seed: int) -> Schedule:
    rng = random.Random(seed)
    span = rng.choice(SPANS)
    people = _people(rng)
    signups = list(_signups(rng, people, span))
    steps = [*signups, *_other_steps(rng, people, signups, span), *_reconciler_runs(rng, span)]
    numbered = tuple(replace(step, number=number) for number, step in enumerate(sorted(steps, key=_when), 1))
    settings = {"MAX_RECEIVE_COUNT": rng.choice(("60", "60", "5")), "SWEEP_PAGES": rng.choice(("20", "2"))}
    return Schedule(
        numbered,
        seed,
        fault_rate=rng.choice(FAULT_RATES),
        random_timing=True,
        lag=rng.choice((0.0, 1.0, 5.0)),
        page=rng.choice((60, 60, 1, 2)),
        pool_skew=rng.choice((0.0, 0.0, -DAY, DAY)),
        settings=settings,
    )


def _when(step: Step) -> float:
    return step.at


def _people(rng: Rng) -> list[Person]:
    """One to three people; a quarter of them have two identities with the same address."""
    people = []
    for name in rng.sample(NAMES, rng.randint(1, 3)):
        email = rng.choice((f"{name}@example.com", f"{name.title()}@Example.com"))
        people.append(Person(name, email, rng.choice(TRUST)))
        if rng.random() < 0.25:
            people.append(Person(name, email, rng.choice(TRUST), number=1))
    return people


def _signups(rng: Rng, people: list[Person], span: float) -> Iterator[Step]:
    for person in people:
        at = rng.uniform(0, min(span, HOUR))
        yield Step(at, "sign_up", person, {"calls": rng.choice(CALLS)})
        if rng.random() < 0.3:
            yield Step(max(0.0, at + rng.uniform(-60, 5)), "pre_create", None, _record(rng, person))


def _record(rng: Rng, person: Person) -> dict[str, Any]:
    return {"email": person.email.lower(), "role": rng.choice(ROLES), "name": rng.choice(("Edited", "Other"))}


def _other_steps(rng: Rng, people: list[Person], signups: list[Step], span: float) -> Iterator[Step]:
    """Up to eight steps of other kinds."""
    kinds = sorted(OTHER_STEPS.keys() - rng.choice((CREATES_RECORD_AGAIN, {"restore"})))
    for _ in range(rng.randint(0, 8)):
        person = rng.choice(people)
        kind = rng.choice(kinds)
        signup_at = next(step.at for step in signups if step.person == person)
        at = signup_at + HOUR + rng.uniform(0, span) if kind == "change_email" else _moment(rng, signup_at, span)
        args = OTHER_STEPS[kind](rng, person)
        who = person if kind in NEEDS_A_PERSON and not (kind == "replay" and rng.random() < 0.3) else None
        yield Step(at, kind, who, args)
        if kind == "relink" and (twins := [other for other in people if other.name == person.name and other != person]):
            yield Step(at, kind, None, {"email": person.email.lower(), "to": rng.choice(twins)})


def _moment(rng: Rng, signup_at: float, span: float) -> float:
    """During the signup, at any time, or around the expiry of Stripe's idempotency keys."""
    if rng.random() < 0.4:
        return signup_at + rng.uniform(0, 45)
    if span > DAY and rng.random() < 0.5:
        return rng.choice(HOURS_AROUND_KEY_EXPIRY) * HOUR + rng.uniform(-600, 600)
    return rng.uniform(0, span)


def _reconciler_runs(rng: Rng, span: float) -> Iterator[Step]:
    """The schedule runs it every few minutes; here it runs a few times, sometimes twice at once."""
    moments = [rng.uniform(0, 2 * HOUR), *(rng.uniform(0, span) for _ in range(rng.randint(1, 6)))]
    moments += [at + rng.choice((12, 24, 36)) * HOUR + rng.uniform(0, HOUR) for at in moments if span > DAY]
    for at in moments:
        yield Step(at, "reconcile")
        if rng.random() < 0.3:
            yield Step(at + rng.uniform(0, 2), "reconcile")


CREATES_RECORD_AGAIN = {"delete", "relink", "change_email"}  # see the assumptions in __init__.py
NEEDS_A_PERSON = {"sign_in", "edit_profile", "import_customer", "forge_customer", "replay", "restore", "change_email"}
OTHER_STEPS: dict[str, Callable[[Rng, Person], dict[str, Any]]] = {
    "sign_in": lambda rng, person: {},
    "edit": _record,
    "pre_create": _record,
    "delete": lambda rng, person: {"email": person.email.lower()},
    "edit_profile": lambda rng, person: {"value": f"{person.name} the {rng.randint(1, 9)}th"},
    "import_customer": lambda rng, person: {"value": f"cus_imported_{person.name}{person.number}"},
    "forge_customer": lambda rng, person: {"value": "cus_of_another_person"},
    "poison": lambda rng, person: {"kind": rng.choice(POISON)},
    "replay": lambda rng, person: {},
    "outage": lambda rng, person: {"of": rng.choice(("stripe", "revenuecat")), "seconds": rng.uniform(60, 6 * HOUR)},
    "rotate_key": lambda rng, person: {"of": rng.choice(("stripe", "revenuecat")), "seconds": rng.uniform(1, 7200)},
    "empty_dead_letters": lambda rng, person: {},
    "redrive": lambda rng, person: {},
    "redrive_from_table": lambda rng, person: {},
    "relink": lambda rng, person: {"email": person.email.lower(), "to": person},
    "restore": lambda rng, person: {},
    "change_email": lambda rng, person: {"to": f"{person.name}.new@example.com"},
}
