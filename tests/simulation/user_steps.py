"""Steps of Cognito and its users, of admins, and of users who edit their profile; and `start`, which starts any step.

Each function is one kind of step and runs as its own actor; the other kinds are in `operator_steps` and
`environment_steps`.
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
from tests.simulation import environment_steps, operator_steps
from tests.simulation.scheduler import Process
from tests.simulation.schedules import Person, Step
from tests.simulation.simulation import Simulation

CONFIRM, SIGN_IN = "PostConfirmation_ConfirmSignUp", "PostAuthentication_Authentication"
Action = Callable[[Simulation, Step], None]


# -- Cognito ---------------------------------------------------------------------------------------


def attributes_of(person: Person, email: str) -> dict[str, str]:
    """The attributes in the pool, with values in the ones that a client may write."""
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
    """The user is confirmed; Cognito calls the trigger after each of `calls` seconds: once, never, or several times."""
    person = person_of(step)
    sim.cognito.add_user(person.sub, attributes_of(person, person.email), status_of(person))
    sim.observed.confirmed[person.sub] = person
    event = trigger_event(sim, person, CONFIRM)
    for number, offset in enumerate(step.args.get("calls", (0.0,)), 1):
        process = sim.new_process(f"{step.label}/call-{number}", "trigger")
        sim.observed.trigger_calls[person.sub] += 1
        sim.scheduler.start(process, partial(call_trigger, sim, process, event), offset)


def sign_in(sim: Simulation, step: Step) -> None:
    person, process = person_of(step), sim.new_process(f"{step.label}/call", "trigger")
    if person.sub in sim.cognito.users:
        sim.observed.trigger_calls[person.sub] += 1
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
    except Exception as error:  # noqa: BLE001  # Cognito shows it to the user
        sim.observed.on_trigger_error(error)


def change_email(sim: Simulation, step: Step) -> None:
    if (person := person_of(step)).sub in sim.cognito.users:
        sim.cognito.change_user(person.sub, email=step.args["to"])


# -- admins and users ------------------------------------------------------------------------------


def pre_create(sim: Simulation, step: Step) -> None:
    prepared = {"roles": {"L": [{"S": step.args["role"]}]}, "team": {"S": "north"}, "givenName": {"S": "Prepared"}}
    item = {"userId": {"S": step.args["email"]}, **prepared, "onboarding": {"S": "pre_created"}}
    with ignoring_aws_errors():
        sim.clients["dynamodb"].put_item(TableName=USERS, Item=item, ConditionExpression="attribute_not_exists(userId)")


def edit(sim: Simulation, step: Step) -> None:
    """Named attributes of an existing record, in one update (row 12 of the protocol)."""
    with ignoring_aws_errors():
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
    with ignoring_aws_errors():
        sim.clients["dynamodb"].delete_item(TableName=USERS, Key={"userId": {"S": step.args["email"]}})


def edit_profile(sim: Simulation, step: Step) -> None:
    _set_on_profile(sim, step, "displayName", "attribute_exists(userId)")


def import_customer(sim: Simulation, step: Step) -> None:
    """A migration sets the id of an existing Stripe customer, with its finished step, where the profile has none."""
    with ignoring_aws_errors():
        sim.clients["dynamodb"].update_item(
            TableName=PROFILES,
            Key={"userId": {"S": person_of(step).sub}},
            UpdateExpression="SET stripeCustomerId = :value, #provisioning.stripe = :done",
            ConditionExpression="attribute_exists(userId) AND attribute_not_exists(stripeCustomerId)",
            ExpressionAttributeNames={"#provisioning": "provisioning"},
            ExpressionAttributeValues={
                ":value": {"S": step.args["value"]},
                ":done": {"M": {"state": {"S": "done"}}},
            },
        )


def forge_customer(sim: Simulation, step: Step) -> None:
    """The user sets another person's Stripe id on the own profile, where it has none."""
    _set_on_profile(
        sim, step, "stripeCustomerId", "attribute_exists(userId) AND attribute_not_exists(stripeCustomerId)"
    )


def _set_on_profile(sim: Simulation, step: Step, name: str, condition: str) -> None:
    with ignoring_aws_errors():
        sim.clients["dynamodb"].update_item(
            TableName=PROFILES,
            Key={"userId": {"S": person_of(step).sub}},
            UpdateExpression="SET #name = :value",
            ConditionExpression=condition,
            ExpressionAttributeNames={"#name": name},
            ExpressionAttributeValues={":value": {"S": step.args["value"]}},
        )


def ignoring_aws_errors() -> suppress:
    """The person sees the error and does not try again."""
    return suppress(ClientError, BotoCoreError)


# -- the EventBridge schedule, and the start of any step --------------------------------------------


def reconcile(sim: Simulation, step: Step) -> None:
    process = sim.new_process(f"{step.label}/run", "reconcile")
    sim.scheduler.start(process, partial(sim.lambdas.invoke, process, "reconcile", {}))


def person_of(step: Step) -> Person:
    if step.person is None:
        raise ValueError(f"the step {step.label} needs a person")
    return step.person


ROLES = {
    **dict.fromkeys(("sign_up", "sign_in", "change_email"), "cognito"),
    **dict.fromkeys(("pre_create", "edit", "delete"), "admin"),
    **dict.fromkeys(("outage", "refuse", "foreign_customers", "rotate_key"), "provider"),
    **dict.fromkeys(("redrive", "redrive_from_table", "relink", "restore", "empty_dead_letters"), "operator"),
    "edit_profile": "user",
    "import_customer": "migration",
    "forge_customer": "user",
    "poison": "unknown sender",
    "replay": "archive",
    "reconcile": "schedule",
}


def start(sim: Simulation, step: Step) -> None:
    """Starts the step's actor, which waits until `step.at`."""
    modules = (sys.modules[__name__], operator_steps, environment_steps)
    action: Action = next(getattr(module, step.kind) for module in modules if hasattr(module, step.kind))
    process = sim.new_process(step.label, ROLES[step.kind])
    process.skew = sim.lambdas.skew("operator", step.label) if process.role == "operator" else 0.0
    sim.scheduler.start(process, partial(action, sim, step), step.at)
