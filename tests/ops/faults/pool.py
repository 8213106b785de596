"""Faults of the user pool and its trigger."""

from __future__ import annotations

import json

from onramp.ops.attach.pool_update import UserPool
from tests.ops.faults.planting import Fault, Planting, Undo


class PoolFaults(Planting):
    def _set_triggers(self, **triggers: str) -> Undo:
        pool = UserPool(self.client("cognito-idp"), self.pool)
        pool.update(pool.describe(), triggers)
        return lambda: None

    def pool_without_trigger(self) -> Undo:
        return self._set_triggers()

    def pool_without_the_alias(self) -> Undo:
        function = self.client("lambda").get_function_configuration(FunctionName=self.trigger)["FunctionArn"]
        return self._set_triggers(PostConfirmation=function)

    def pool_without_the_sign_in(self) -> Undo:
        alias = self.client("lambda").get_alias(FunctionName=self.trigger, Name="live")["AliasArn"]
        return self._set_triggers(PostConfirmation=alias)

    def pool_with_another_trigger(self) -> Undo:
        return self._set_triggers(PostConfirmation="arn:aws:lambda:eu-west-1:000000000000:function:another")

    def trigger_without_permission(self) -> Undo:
        lambdas = self.client("lambda")
        policy = json.loads(lambdas.get_policy(FunctionName=self.trigger, Qualifier="live")["Policy"])
        for statement in policy["Statement"]:
            lambdas.remove_permission(FunctionName=self.trigger, Qualifier="live", StatementId=statement["Sid"])
        return lambda: None

    def permission_without_a_source(self) -> Undo:
        self.client("lambda").add_permission(
            FunctionName=self.trigger,
            Qualifier="live",
            StatementId="by-hand",
            Action="lambda:InvokeFunction",
            Principal="cognito-idp.amazonaws.com",
        )
        return lambda: None

    def untrusted_identity_provider(self) -> Undo:
        provider = {"UserPoolId": self.pool, "ProviderName": "Fabrikam"}
        self.client("cognito-idp").create_identity_provider(
            ProviderType="SAML", ProviderDetails={"MetadataURL": "https://idp.example/metadata"}, **provider
        )
        return lambda: self.client("cognito-idp").delete_identity_provider(**provider)


FAULTS = [
    Fault(PoolFaults.pool_without_trigger, "pool", "trouble", "calls no trigger", "onramp attach --user-pool"),
    Fault(PoolFaults.pool_without_the_alias, "pool", "trouble", "without its alias", "onramp attach --user-pool"),
    Fault(PoolFaults.pool_without_the_sign_in, "pool", "warning", "at sign-in", "--heal-on-sign-in"),
    Fault(PoolFaults.pool_with_another_trigger, "pool", "trouble", "calls another function", "--replace"),
    Fault(PoolFaults.trigger_without_permission, "pool", "trouble", "may not invoke", "aws lambda add-permission"),
    Fault(PoolFaults.permission_without_a_source, "pool", "warning", "every pool", "aws lambda remove-permission"),
    Fault(
        PoolFaults.untrusted_identity_provider, "pool", "trouble", "Fabrikam", "TrustedIdentityProviders=", runs=False
    ),
]
