"""The `UserProfiles` table: what a user may edit, the provider ids, and how far each step got.

Status never goes backwards, a provider id is written once, and no replay overwrites a user's own edits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from onramp.adapters.aws import error_code, readable, retryable
from onramp.adapters.items import from_item, get_many, to_values
from onramp.domain.identity import usable_name
from onramp.domain.users import Intent, Profile, Status, User, display_name

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

_STEPS = "#provisioning"  # the name itself is one of DynamoDB's reserved words
_INTENT = "stripeIntent"  # beside the step records in `provisioning`


@dataclass(frozen=True, slots=True)
class ProfileTable:
    client: DynamoDBClient
    table: str

    def get(self, sub: str) -> Profile | None:
        """A consistent read."""
        with retryable("profiles_get"):
            reply = self.client.get_item(TableName=self.table, Key={"userId": {"S": sub}}, ConsistentRead=True)
        item = readable("profiles_get", reply).get("Item")
        return _profile(item) if item else None

    def get_many(self, subs: Sequence[str]) -> dict[str, Profile]:
        """By sub, read consistently; absent ones are left out."""
        return {profile.sub: profile for profile in map(_profile, get_many(self.client, self.table, subs))}

    def upsert(self, user: User, now: int) -> Profile:
        """Creates the profile where it is absent; of an existing one it changes only `updatedAt`."""
        names = {"givenName": user.names.given_name, "familyName": user.names.family_name}
        once = {
            "email": user.user_id,
            "displayName": display_name(user),
            **{name: value for name, value in names.items() if value is not None},
            "createdAt": now,
            "provisioningStatus": Status.PENDING.value,
            "provisioning": {},
            "preferences": {},
        }
        paths = {name: _STEPS if name == "provisioning" else name for name in once}
        assignments = [f"{path} = if_not_exists({path}, :{name})" for name, path in paths.items()]
        values = {f":{name}": value for name, value in once.items()} | {":now": now}
        change = f"SET {', '.join(assignments)}, updatedAt = :now"
        return self._update(str(user.cognito_sub), change, values)[1]

    def mark_ready(self, sub: str, now: int) -> Profile:
        """Unconditional: ready wins over failed."""
        change = "SET provisioningStatus = :ready, updatedAt = :now"
        return self._update(sub, change, {":ready": Status.READY.value, ":now": now})[1]

    def mark_failed(self, sub: str, now: int) -> bool:
        """False where another worker has finished this user meanwhile: then there is no failure to report."""
        return self._update(
            sub,
            "SET provisioningStatus = :failed, updatedAt = :now",
            {":failed": Status.FAILED.value, ":now": now, ":ready": Status.READY.value},
            condition="provisioningStatus <> :ready",
        )[0]

    def save_step(self, sub: str, step: str, record: dict[str, Any], found: Mapping[str, str]) -> Profile:
        """Records a finished step and the ids it found. An id that is stored already stays, and is returned."""
        change = f"SET {_STEPS}.#step = :record" + "".join(f", {name} = :{name}" for name in found)
        condition = " AND ".join(f"attribute_not_exists({name})" for name in found) or None
        values = {":record": record, **{f":{name}": value for name, value in found.items()}}
        saved, profile = self._update(sub, change, values, condition=condition, names={"#step": step})
        if saved:
            return profile
        return self._update(sub, f"SET {_STEPS}.#step = :record", {":record": record}, names={"#step": step})[1]

    def note_failure(self, sub: str, step: str, record: dict[str, Any]) -> None:
        """Never overwrites a step that another worker finished meanwhile."""
        self._update(
            sub,
            f"SET {_STEPS}.#step = :record",
            {":record": record, ":done": "done"},
            condition=f"attribute_not_exists({_STEPS}.#step) OR {_STEPS}.#step.#state <> :done",
            names={"#step": step, "#state": "state"},
        )

    def store_first_intent(self, sub: str, intent: Intent) -> Profile:
        """The profile after the write: with this intent, or with the one that another worker stored first."""
        condition = f"attribute_not_exists({_STEPS}.{_INTENT}) AND attribute_not_exists(stripeCustomerId)"
        return self._store_intent(sub, intent, condition, {})

    def store_next_intent(self, sub: str, burnt: Intent, intent: Intent) -> Profile:
        """Replaces exactly the intent that was read: two workers that burn one at once agree on the next."""
        return self._store_intent(sub, intent, f"{_STEPS}.{_INTENT}.epoch = :read", {":read": burnt.epoch})

    def _store_intent(self, sub: str, intent: Intent, condition: str, values: dict[str, Any]) -> Profile:
        stored = {
            "epoch": intent.epoch,
            "key": intent.key,
            "createdAt": intent.created_at,
            "body": intent.body,
        }
        values = {**values, ":intent": stored}
        return self._update(sub, f"SET {_STEPS}.{_INTENT} = :intent", values, condition=condition)[1]

    def _update(
        self,
        sub: str,
        change: str,
        values: dict[str, Any],
        *,
        condition: str | None = None,
        names: dict[str, str] | None = None,
    ) -> tuple[bool, Profile]:
        """Whether the condition held, and the profile after the attempt."""
        optional: dict[str, Any] = {"ConditionExpression": condition} if condition else {}
        aliases = {_STEPS: "provisioning"} if _STEPS in f"{change} {condition}" else {}
        if names or aliases:
            optional["ExpressionAttributeNames"] = {**(names or {}), **aliases}
        with retryable("profiles_update"):
            try:
                reply = self.client.update_item(
                    TableName=self.table,
                    Key={"userId": {"S": sub}},
                    UpdateExpression=change,
                    ExpressionAttributeValues=to_values(values),
                    ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                    **optional,
                )
            except ClientError as error:
                if error_code(error) != "ConditionalCheckFailedException":
                    raise
                stored: Any = error.response.get("Item")
                return False, _profile(stored or {"userId": {"S": sub}})
        return True, _profile(readable("profiles_update", reply)["Attributes"])


def _profile(item: dict[str, Any]) -> Profile:
    row = from_item(item)
    steps = dict(row.get("provisioning", {}))
    intent = steps.pop(_INTENT, None)
    return Profile(
        sub=row["userId"],
        status=row.get("provisioningStatus", Status.PENDING),
        display_name=usable_name(row.get("displayName")),  # the user may have edited it
        stripe_customer_id=row.get("stripeCustomerId"),
        revenue_cat_id=row.get("revenueCatId"),
        intent=Intent(intent["epoch"], intent["key"], intent["createdAt"], intent["body"]) if intent else None,
        steps=steps,
    )
