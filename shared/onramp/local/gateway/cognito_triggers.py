"""Invokes the triggers that the emulator's Cognito does not invoke: PostConfirmation and PostAuthentication.

This layer forwards the call first and invokes the pool's function afterwards, as Cognito does: the user stays
CONFIRMED if the trigger fails, and a second confirmation is rejected without invoking it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from onramp.local.asgi import Reply
from onramp.local.gateway.aws import AwsCall, Emulator, EmulatorError, Forward, aws_error
from onramp.local.gateway.trigger_event import CognitoUser, trigger_event
from onramp.local.gateway.trigger_invocation import invoke_trigger

_CONFIRMATIONS = {
    "SignUp": "PostConfirmation_ConfirmSignUp",  # a PreSignUp trigger can confirm in the same call
    "ConfirmSignUp": "PostConfirmation_ConfirmSignUp",
    "AdminConfirmSignUp": "PostConfirmation_ConfirmSignUp",
    "ConfirmForgotPassword": "PostConfirmation_ConfirmForgotPassword",
}
_SIGN_INS = ("InitiateAuth", "AdminInitiateAuth", "RespondToAuthChallenge", "AdminRespondToAuthChallenge")
_REFRESHES = ("REFRESH_TOKEN", "REFRESH_TOKEN_AUTH")


class CognitoTriggers:
    """`emulator` calls AWS below all layers; `functions` passes the layer of faults, so that invocations can fail."""

    def __init__(self, emulator: Emulator, functions: Emulator) -> None:
        self._emulator = emulator
        self._functions = functions
        self._pool_of_client: dict[str, str] = {}

    async def layer(self, call: AwsCall, forward: Forward) -> Reply:
        if call.service == "cognito-idp" and call.operation in _CONFIRMATIONS:
            return await self._confirm(call, forward)
        if call.service == "cognito-idp" and call.operation in _SIGN_INS:
            return await self._sign_in(call, forward)
        return await forward(call)

    async def invoke(
        self,
        source: str,
        pool_id: str,
        client_id: str | None,
        user: CognitoUser,
        client_metadata: Mapping[str, str] | None = None,
    ) -> Reply | None:
        """Invokes the pool's trigger for `source`, if the pool names one. Returns the error reply, None on success."""
        trigger = source.partition("_")[0]
        pool = (await self._call("DescribeUserPool", UserPoolId=pool_id))["UserPool"]
        function = (pool.get("LambdaConfig") or {}).get(trigger)
        if not function:
            return None
        event = trigger_event(source, pool_id, client_id, user, client_metadata)
        return await invoke_trigger(self._functions, trigger, function, pool["Arn"], event)

    async def user(self, pool_id: str, username: str) -> CognitoUser:
        return CognitoUser.from_admin_get_user(await self._call("AdminGetUser", UserPoolId=pool_id, Username=username))

    async def _confirm(self, call: AwsCall, forward: Forward) -> Reply:
        request = call.payload()
        pool_id = await self._pool_of(request)
        before = await self._find_user(pool_id, request)
        if before and call.operation.endswith("ConfirmSignUp") and before.status != "UNCONFIRMED":
            message = f"User cannot be confirmed. Current status is {before.status}"
            return aws_error("NotAuthorizedException", message)
        reply = await forward(call)
        if reply.status != 200 or pool_id is None:
            return reply
        if call.operation == "SignUp" and not json.loads(reply.body).get("UserConfirmed"):
            return reply
        user = await self.user(pool_id, request["Username"])
        if call.operation == "ConfirmSignUp":
            user = await self._with_verified_contact(pool_id, user)
        error = await self.invoke(
            _CONFIRMATIONS[call.operation], pool_id, request.get("ClientId"), user, request.get("ClientMetadata")
        )
        return error or reply

    async def _sign_in(self, call: AwsCall, forward: Forward) -> Reply:
        reply = await forward(call)
        request = call.payload()
        tokens = json.loads(reply.body).get("AuthenticationResult") if reply.status == 200 else None
        pool_id = await self._pool_of(request) if tokens else None
        if pool_id is None or not tokens or request.get("AuthFlow") in _REFRESHES:
            return reply
        user = await self.user(pool_id, _username_of(tokens["AccessToken"]))
        error = await self.invoke(
            "PostAuthentication_Authentication", pool_id, request.get("ClientId"), user, request.get("ClientMetadata")
        )
        return error or reply

    async def _with_verified_contact(self, pool_id: str, user: CognitoUser) -> CognitoUser:
        """Marks the attribute as verified that received the code: the phone number, else the e-mail."""
        pool = (await self._call("DescribeUserPool", UserPoolId=pool_id))["UserPool"]
        auto_verified = pool.get("AutoVerifiedAttributes") or []
        for attribute in ("phone_number", "email"):
            if attribute in auto_verified and user.attributes.get(attribute):
                verified = {"Name": f"{attribute}_verified", "Value": "true"}
                await self._call(
                    "AdminUpdateUserAttributes", UserPoolId=pool_id, Username=user.username, UserAttributes=[verified]
                )
                return await self.user(pool_id, user.username)
        return user

    async def _pool_of(self, request: Mapping[str, Any]) -> str | None:
        """The pool of a request; a request without credentials names only its app client."""
        if "UserPoolId" in request:
            return str(request["UserPoolId"])
        client_id = str(request.get("ClientId"))
        if client_id not in self._pool_of_client:
            pools = await self._call("ListUserPools", MaxResults=60)
            for pool in pools["UserPools"]:
                clients = await self._call("ListUserPoolClients", UserPoolId=pool["Id"], MaxResults=60)
                for client in clients["UserPoolClients"]:
                    self._pool_of_client[client["ClientId"]] = pool["Id"]
        return self._pool_of_client.get(client_id)

    async def _find_user(self, pool_id: str | None, request: Mapping[str, Any]) -> CognitoUser | None:
        try:
            return await self.user(pool_id or "", str(request.get("Username")))
        except EmulatorError:  # unknown pool or user: the emulator answers the forwarded call with the error
            return None

    async def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        return await self._emulator.call("cognito-idp", operation, request)


def _username_of(access_token: str) -> str:
    payload = access_token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return str(claims.get("username") or claims["sub"])
