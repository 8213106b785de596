"""Inputs with a canary (a unique word) in every field, and clients whose errors quote the request."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from onramp.local.fakes.messages import Request, Response
from tests.fakes.client import client_error
from tests.pipeline import signup

CANARY = "canary"
EMAIL = "canary.mail@canary.example"
KEYS = {"/stripe": "sk_live_canary_stripe", "/revenuecat": "sk_canary_revenuecat"}
FIELDS = (
    "given_name", "family_name", "name", "middle_name", "nickname", "preferred_username", "profile", "picture",
    "website", "gender", "birthdate", "zoneinfo", "locale", "address", "phone_number", "phone_number_verified",
    "updated_at", "custom:roles", "custom:tenant", "cognito:groups", "roles", "unheard_of",
)  # fmt: skip
# The fields that must stay for the input to be recognised.
KEPT_IN_EVENTS = (
    "userPoolId",
    "triggerSource",
    "sub",
    "email_verified",
    "cognito:user_status",
    "providerName",
    "primary",
)
KEPT_IN_MESSAGES = (
    "source", "detail-type", "schemaVersion", "eventId", "occurredAt", "signedUpAt", "origin", "userId", "cognitoSub",
    "onboarding",
)  # fmt: skip


def marked(node: Any, kept_fields: Collection[str], place: str = "") -> Any:
    """A copy in which every text, except those of the kept fields, is a canary that names its path."""
    if isinstance(node, dict):
        copied = {
            key: value if key in kept_fields else marked(value, kept_fields, f"{place}-{key}")
            for key, value in node.items()
        }
        return copied | {"unknown": f"{CANARY}{place}-unknown"}
    if isinstance(node, list):
        return [marked(value, kept_fields, f"{place}-{index}") for index, value in enumerate(node)]
    return f"{CANARY}{place}"


def event(sub: Any, **changes: Any) -> dict[str, Any]:
    """A signup with a canary in every field."""
    identities = [{"userId": "u", "providerName": "Contoso", "providerType": "OIDC", "issuer": "i", "primary": False}]
    body = marked(signup(EMAIL, sub, **dict.fromkeys(FIELDS, "any")), KEPT_IN_EVENTS)
    attributes = body["request"]["userAttributes"]
    attributes |= {"email": EMAIL, "identities": json.dumps(marked(identities, KEPT_IN_EVENTS))} | changes
    body["request"] |= {"clientMetadata": {"roles": f"{CANARY}-metadata"}, "validationData": f"{CANARY}-validation"}
    return body  # type: ignore[no-any-return]


def message(envelope: Mapping[str, Any]) -> str:
    """A message with a canary in every field that is not kept."""
    return json.dumps(marked(envelope, KEPT_IN_MESSAGES))


class QuotingClient:
    """A client that fails every call with an error that quotes the request."""

    def __init__(self, client: Any, error: Callable[[str, str, str], Exception], only: Collection[str] = ()) -> None:
        self._client, self._error, self._only = client, error, only
        self.quotes: list[str] = []

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._client, name)
        if name not in self._client.meta.method_to_api_mapping or (self._only and name not in self._only):
            return attribute

        def fail(**request: Any) -> Any:
            self.quotes.append(f"could not take {request}")
            raise self._error(self._client.meta.service_model.service_name, name, self.quotes[-1])

        return fail


def refusal(service: str, name: str, text: str) -> Exception:
    return client_error(service, name, "AccessDeniedException", text)


def too_large(service: str, name: str, text: str) -> Exception:
    return client_error(service, name, "ValidationException", text)


def throttling(service: str, name: str, text: str) -> Exception:
    return client_error(service, name, "ThrottlingException", text)


def bug(service: str, name: str, text: str) -> Exception:
    return ValueError(text)


class QuotingProvider:
    """Stripe or RevenueCat, refusing every request with errors that quote it, even where a code belongs."""

    def __init__(self, status: int) -> None:
        self._status = status
        self.quotes: list[str] = []

    def handle(self, request: Request) -> Response:
        self.quotes.append(text := f"cannot take {request.query} {request.body.decode()} of {dict(request.headers)}")
        error = {"type": text, "message": text, "code": text, "param": text, "retryable": False}
        return Response(self._status, {"error": error, **error}, {"Request-Id": text, "Idempotent-Replayed": "no"})
