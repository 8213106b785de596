"""The chapters in which all is well."""

from __future__ import annotations

import time

from onramp.local.demo import stations
from onramp.local.demo.expectations import eventually, expect
from onramp.local.demo.people import MARA, NIA, THEO, Person
from onramp.local.demo.pipeline import Item
from onramp.local.demo.stage import Stage
from onramp.local.demo.stations import Journey
from onramp.local.parameters import STACK_NAME

EXPECTED = {MARA: ["manager"], THEO: ["manager"]}
"""Whom the admin expects, and as what."""


def an_admin_expects_two_managers(stage: Stage) -> None:
    stage.screen.chapter(
        "An admin expects two managers", "Their records are there before they are. Roles belong to admins."
    )
    for person, roles in EXPECTED.items():
        started = time.monotonic()
        stage.pipeline.pre_create(person, roles, at=time.time_ns() // 1_000_000)
        millis = (time.monotonic() - started) * 1000
        user = stage.pipeline.user(person)
        expect("cognitoSub" not in user, f"nobody has claimed the record of {person.email} yet")
        stage.screen.line(
            "record", f"{user['userId']} · {user['onboarding']} · {', '.join(user['roles'])} · no sub yet", millis
        )


def a_manager_and_a_stranger_sign_up(stage: Stage) -> None:
    stage.screen.chapter(
        "Mara and Nia sign up", "Mara is expected, Nia is new. Times count from the ConfirmSignUp call."
    )
    _arrives(stage, MARA, roles=EXPECTED[MARA])
    stage.screen.gap()
    _arrives(stage, NIA, roles=["team_member"])


def _arrives(stage: Stage, person: Person, roles: list[str]) -> None:
    journey = stage.sign_up(person)
    stations.watch(journey, stations.ALL, stage.screen)
    user = stage.pipeline.user(person)
    expect(user["roles"] == roles, f"{person.email} has the roles {roles} (they are {user['roles']})")
    _show_cold_starts(stage, journey)


def _show_cold_starts(stage: Stage, journey: Journey) -> None:
    """Why the first signup of a stack takes longer than the second."""

    def both() -> list[Item] | None:
        entries = [entry for entry in stage.pipeline.log() if entry.get("sub") == journey.signup.sub]
        return entries if {"signed up", "provisioned"} <= {entry["message"] for entry in entries} else None

    entries = sorted(eventually(both, "both functions log the signup"), key=lambda entry: str(entry["timestamp"]))
    cold = {entry["service"].removeprefix(f"{STACK_NAME}-"): entry["cold_start"] for entry in entries}
    stage.screen.line("functions", " · ".join(f"{name} {'cold' if cold[name] else 'warm'}" for name in cold))
