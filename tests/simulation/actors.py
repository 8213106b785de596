"""What people do: Cognito and its users, admins, users of their profile.

Each function is one kind of step and runs as an actor of its own; more of them are in `operators` and `surroundings`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.pipeline import PROFILES, USERS, signup
from tests.simulation import operators, surroundings
from tests.simulation.scheduler import Process
from tests.simulation.schedules import Person, Step
from tests.simulation.simulation import Simulation

CONFIRM, SIGN_IN = "PostConfirmation_ConfirmSignUp", "PostAuthentication_Authentication"
Play = Callable[[Simulation, Step], None]


# -- Cognito ---------------------------------------------------------------------------------------


def attributes_of(person: Person, email: str) -> dict[str, str]:
    """As in the pool, with what a client may write into it."""
    federated = person.trust not in ("verified", "unverified")
    provider = "Google" if person.trust.startswith("google") else "Initech"
    entry = {"providerName": provider, "providerType": "Google" if provider == "Google" else "OIDC", "primary": True}
    return {
        "sub": person.sub,
        "email": email,
        "email_verified": "false" if person.trust in ("unverified", "google_unverified") else "true",
        "given_name": person.name.title(),
        "custom:roles": '["admin", "canary-custom"]',
        **({"identities": json.dumps([entry])} if federated else {}),
    }


def status_of(person: Person) -> str:
    return "CONFIRMED" if person.trust in ("verified", "unverified") else "EXTERNAL_PROVIDER"


def sign_up(sim: Simulation, step: Step) -> None:
    """The user is confirmed; Cognito calls the trigger `calls` seconds later: once, never, or again and again."""
    person = whom(step)
    sim.cognito.add_user(person.sub, attributes_of(person, person.email), status_of(person))
    sim.history.confirmed[person.sub] = person
    event = trigger_event(sim, person, CONFIRM)
    for number, offset in enumerate(step.args.get("calls", (0.0,)), 1):
        process = sim.person(f"{step.label}/call-{number}", "trigger")
        sim.history.triggers[person.sub] += 1
        sim.scheduler.start(process, partial(call_trigger, sim, process, event), offset)


def sign_in(sim: Simulation, step: Step) -> None:
    person, process = whom(step), sim.person(f"{step.label}/call", "trigger")
    if person.sub in sim.cognito.users:
        sim.history.triggers[person.sub] += 1
        event = trigger_event(sim, person, SIGN_IN)
        sim.scheduler.start(process, partial(call_trigger, sim, process, event))


def trigger_event(sim: Simulation, person: Person, source: str) -> dict[str, Any]:
    known = sim.cognito.users[person.sub].attributes
    event = signup(known["email"], person.sub) | {"triggerSource": source, "canary": "canary-event"}
    event["request"]["userAttributes"] = known | {"cognito:user_status": status_of(person)}
    event["request"]["clientMetadata"] = {"roles": "canary-metadata"}
    return event


def call_trigger(sim: Simulation, process: Process, event: dict[str, Any]) -> None:
    try:
        sim.lambdas.invoke(process, "post_confirmation", event)
    except Exception as error:  # noqa: BLE001  # what Cognito shows to the user
        sim.history.told(error)


def change_email(sim: Simulation, step: Step) -> None:
    if (person := whom(step)).sub in sim.cognito.users:
        sim.cognito.change_user(person.sub, email=step.args["to"])


# -- admins and users ------------------------------------------------------------------------------


def pre_create(sim: Simulation, step: Step) -> None:
    prepared = {"roles": {"L": [{"S": step.args["role"]}]}, "team": {"S": "north"}, "givenName": {"S": "Prepared"}}
    item = {"userId": {"S": step.args["email"]}, **prepared, "onboarding": {"S": "pre_created"}}
    with heard():
        sim.clients["dynamodb"].put_item(TableName=USERS, Item=item, ConditionExpression="attribute_not_exists(userId)")


def edit(sim: Simulation, step: Step) -> None:
    """Named attributes of a record that is there: never get and put."""
    with heard():
        sim.clients["dynamodb"].update_item(
            TableName=USERS,
            Key={"userId": {"S": step.args["email"]}},
            UpdateExpression="SET #roles = :roles, givenName = :name",
            ConditionExpression="attribute_exists(userId)",
            ExpressionAttributeNames={"#roles": "roles"},
            ExpressionAttributeValues={
                ":roles": {"L": [{"S": step.args["role"]}]},
                ":name": {"S": step.args.get("name", "Edited")},
            },
        )


def delete(sim: Simulation, step: Step) -> None:
    with heard():
        sim.clients["dynamodb"].delete_item(TableName=USERS, Key={"userId": {"S": step.args["email"]}})


def edit_profile(sim: Simulation, step: Step) -> None:
    _set_on_profile(sim, step, "displayName", "attribute_exists(userId)")


def import_customer(sim: Simulation, step: Step) -> None:
    """Somebody moves a customer of long ago over: the id is theirs to set where there is none."""
    _set_on_profile(
        sim, step, "stripeCustomerId", "attribute_exists(userId) AND attribute_not_exists(stripeCustomerId)"
    )


def _set_on_profile(sim: Simulation, step: Step, name: str, condition: str) -> None:
    with heard():
        sim.clients["dynamodb"].update_item(
            TableName=PROFILES,
            Key={"userId": {"S": whom(step).sub}},
            UpdateExpression="SET #name = :value",
            ConditionExpression=condition,
            ExpressionAttributeNames={"#name": name},
            ExpressionAttributeValues={":value": {"S": step.args["value"]}},
        )


def heard() -> suppress:
    """People see that something failed and leave it at that; the next one tries again, or does not."""
    return suppress(ClientError, BotoCoreError)


# -- the schedule ---------------------------------------------------------------------------------


def reconcile(sim: Simulation, step: Step) -> None:
    process = sim.person(f"{step.label}/run", "reconcile")
    sim.scheduler.start(process, partial(sim.lambdas.invoke, process, "reconcile", {}))


def whom(step: Step) -> Person:
    if step.who is None:
        raise ValueError(f"{step.label}: of whom?")
    return step.who


ROLES = {
    **dict.fromkeys(("sign_up", "sign_in", "change_email"), "cognito"),
    **dict.fromkeys(("pre_create", "edit", "delete"), "admin"),
    **dict.fromkeys(("outage", "refuse", "strangers", "rotate_key"), "provider"),
    **dict.fromkeys(("redrive", "redrive_from_table", "relink", "restore", "empty_dead_letters"), "operator"),
    "edit_profile": "user",
    "import_customer": "migration",
    "poison": "stranger",
    "replay": "archive",
    "reconcile": "schedule",
}


def start(sim: Simulation, step: Step) -> None:
    """Whoever does it waits for their time."""
    here = next(place for place in (sys.modules[__name__], operators, surroundings) if hasattr(place, step.kind))
    play: Play = getattr(here, step.kind)
    process = sim.person(step.label, ROLES[step.kind])
    process.skew = sim.lambdas.skew("operator", step.label) if process.role == "operator" else 0.0
    sim.scheduler.start(process, partial(play, sim, step), step.at)
