"""Each function may name its own attributes of a `Users` record only, as IAM's `dynamodb:Attributes` counts them.

The emulator has no values for this key in a write. So every path through the functions runs here with each write to
`Users` checked against the statement of the template.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from onramp.adapters.tombstones import tombstone_key
from onramp.domain.users import Owed, shard_of
from onramp.wiring import clients
from tests.fakes.client import client_error
from tests.infrastructure.translation import attribute, walk, with_defaults
from tests.pipeline import EMAIL, OPERATIONS, SUB, USERS, InMemoryPipeline
from tests.security import canaries
from tests.security.canaries import KEYS
from tests.security.paths import PATHS
from tests.security.sinks import Sinks

TEMPLATE = with_defaults()
ROLES = {
    "post_confirmation": "PostConfirmationRole",
    "enrich_profile": "EnrichProfileRole",
    "heal_signup": "HealSignupRole",
    "reconcile": "ReconcileRole",
}
WRITES = {"update_item": "dynamodb:UpdateItem", "delete_item": "dynamodb:DeleteItem"}
NOT_NAMES = {"SET", "REMOVE", "ADD", "DELETE", "AND", "OR", "NOT", "IN", "BETWEEN"}
MOVED = {"userId", "cognitoSub", "owed", "owedSince", "dueAt"}
CLAIMED = MOVED | {
    "userPoolId", "identityProvider", "emailVouchedBy", "roles", "onboarding", "givenName", "familyName", "name",
    "createdAt", "updatedAt", "linkedAt",
}  # fmt: skip


def statement(role: str, action: str) -> Mapping[str, Any] | None:
    """The role's statement for this action on `Users`; there is at most one."""
    found = [
        node
        for node in walk(TEMPLATE[role]["Policies"])
        if node.get("Resource") == attribute("UsersTable")
        and action in ([node["Action"]] if isinstance(node["Action"], str) else node["Action"])
    ]
    assert len(found) <= 1
    return found[0] if found else None


def attributes(request: Mapping[str, Any]) -> set[str]:
    """`dynamodb:Attributes`: each top-level attribute that the request names, in the key and the conditions too."""
    names = request.get("ExpressionAttributeNames", {})
    text = " ".join(
        request.get(part, "") for part in ("UpdateExpression", "ConditionExpression", "ProjectionExpression")
    )
    paths = re.findall(r"(?<![:#.\w])[#A-Za-z]\w*(?![\w(])", text)  # neither a value nor a function
    return {names.get(path, path) for path in paths if path not in NOT_NAMES} | set(request["Key"])


def allows(role: str, action: str, request: Mapping[str, Any]) -> bool:
    granted = statement(role, action)
    if granted is None:
        return False
    conditions = granted["Condition"]
    named = conditions["ForAllValues:StringEquals"]["dynamodb:Attributes"]
    returned = conditions.get("StringEqualsIfExists", {}).get("dynamodb:ReturnValues")
    return attributes(request) <= set(named) and returned in (None, request.get("ReturnValues", "NONE"))


class Enforced(InMemoryPipeline):
    """Refuses a write to `Users` as IAM does; `named` has the attributes of the writes, `refused` the refused ones."""

    def __init__(self) -> None:
        super().__init__()
        self.named: set[tuple[str, str, str]] = set()
        self.refused: list[tuple[str, set[str]]] = []
        self._building = ""

    def function(self, name: str) -> Any:
        self._building = name
        return super().function(name)

    def replacements(self) -> dict[tuple[ModuleType, str], Any]:
        return super().replacements() | {(clients, "session"): lambda: SimpleNamespace(create_client=self._client)}

    def _client(self, service: str, **_: Any) -> Any:
        client = self.aws[service]
        return Guard(client, self, ROLES[self._building]) if service == "dynamodb" else client


class Guard:
    def __init__(self, client: Any, pipeline: Enforced, role: str) -> None:
        self._client, self._pipeline, self._role = client, pipeline, role

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        return self._checked(name, call) if name in WRITES else call

    def _checked(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def write(**request: Any) -> Any:
            if request["TableName"] == USERS:
                action, found = WRITES[name], attributes(request)
                self._pipeline.named |= {(self._role, action, one) for one in found}
                if not allows(self._role, action, request):
                    self._pipeline.refused.append((self._role, found))
                    raise client_error("dynamodb", name, "AccessDeniedException", "not authorized")
            return call(**request)

        return write


@pytest.fixture
def enforced() -> Iterator[Enforced]:
    pipeline = Enforced()
    for name, key in KEYS.items():
        pipeline.ssm.set(name, key)
    pipeline.stripe.accepted_key, pipeline.revenuecat.accepted_key = KEYS.values()
    with pipeline:
        yield pipeline


@pytest.mark.parametrize("name", PATHS)
def test_no_path_needs_another_attribute(enforced: Enforced, name: str) -> None:
    with Sinks(enforced, logging.INFO).open() as sinks:
        PATHS[name][1](sinks)
    assert enforced.refused == []


def rewrite(pipeline: Enforced, expression: str, **values: str) -> None:
    """An edit of the record by hand."""
    typed = {f":{name}": {"N" if value.isdecimal() else "S": value} for name, value in values.items()}
    pipeline.dynamodb.update_item(
        TableName=USERS, Key={"userId": {"S": EMAIL}}, UpdateExpression=expression, ExpressionAttributeValues=typed
    )


def test_every_attribute_that_a_role_may_name_is_needed(enforced: Enforced) -> None:
    """Also the moves that only the reconciler makes: claimed again, healed, returned, removed."""
    with Sinks(enforced, logging.INFO).open() as sinks:
        PATHS["a_signup_without_a_record"][1](sinks)
        enforced.dynamodb.delete_item(TableName=USERS, Key={"userId": {"S": canaries.EMAIL}})
        PATHS["a_sweep_that_heals"][1](sinks)
        PATHS["an_enrichment"][1](sinks)
        PATHS["a_permanent_failure"][1](sinks)
    enforced.cold_start()
    enforced.sign_up(EMAIL, SUB)
    rewrite(enforced, "SET owed = :owed, dueAt = :due", owed=Owed.OPERATOR.on(shard_of(SUB)), due="1")
    enforced.dynamodb.put_item(
        TableName="UserProfilesTable", Item={"userId": {"S": SUB}, "provisioningStatus": {"S": "ready"}}
    )
    enforced.reconcile()
    rewrite(enforced, "SET owed = :owed, dueAt = :due", owed=Owed.EMIT.on(shard_of(SUB)), due="1")
    enforced.dynamodb.put_item(TableName=OPERATIONS, Item=tombstone_key(SUB))
    enforced.reconcile()
    assert enforced.user(EMAIL) is None
    assert enforced.refused == []
    for role, action, expected in [
        ("PostConfirmationRole", "dynamodb:UpdateItem", CLAIMED),
        ("EnrichProfileRole", "dynamodb:UpdateItem", MOVED),
        ("HealSignupRole", "dynamodb:UpdateItem", CLAIMED),
        ("ReconcileRole", "dynamodb:UpdateItem", CLAIMED),
        ("ReconcileRole", "dynamodb:DeleteItem", {"userId", "cognitoSub"}),
    ]:
        granted = statement(role, action)
        assert granted
        assert set(granted["Condition"]["ForAllValues:StringEquals"]["dynamodb:Attributes"]) == expected
        assert {name for one, done, name in enforced.named if (one, done) == (role, action)} == expected


@pytest.mark.parametrize(
    ("role", "update"),
    [
        ("EnrichProfileRole", "SET roles = :any"),
        ("EnrichProfileRole", "SET cognitoSub = :any, userPoolId = :any"),
        ("EnrichProfileRole", "SET emailVouchedBy = :any"),
        ("EnrichProfileRole", "REMOVE linkedBefore"),
        ("ReconcileRole", "SET linkedBefore = :any"),
        ("ReconcileRole", "SET costCentre = :any"),
        ("PostConfirmationRole", "REMOVE costCentre"),
        ("HealSignupRole", "SET costCentre = :any"),
    ],
)
def test_another_attribute_is_refused(role: str, update: str) -> None:
    request = {"Key": {"userId": {"S": EMAIL}}, "UpdateExpression": update}
    assert not allows(role, "dynamodb:UpdateItem", request)


def test_the_worker_cannot_read_a_record_by_an_update() -> None:
    update = {"Key": {"userId": {"S": EMAIL}}, "UpdateExpression": "REMOVE owed"}
    assert allows("EnrichProfileRole", "dynamodb:UpdateItem", update)
    assert not allows("EnrichProfileRole", "dynamodb:UpdateItem", update | {"ReturnValues": "ALL_OLD"})


def test_only_the_reconciler_deletes_records() -> None:
    delete = {"Key": {"userId": {"S": EMAIL}}, "ConditionExpression": "cognitoSub = :sub"}
    assert [role for role in ROLES.values() if allows(role, "dynamodb:DeleteItem", delete)] == ["ReconcileRole"]
