"""The pool, its client and their connection to the trigger."""

from __future__ import annotations

import pytest

from tests.infrastructure.translation import Translation, attribute, if_else, ref


def test_the_pool_and_its_client_exist_only_without_an_existing_one(template: Translation) -> None:
    for name in ("UserPool", "UserPoolClient"):
        assert template.resources[name]["Condition"] == "CreatesUserPool"


def test_user_names_are_not_case_sensitive(template: Translation) -> None:
    assert template["UserPool"]["UsernameConfiguration"] == {"CaseSensitive": False}
    assert template["UserPool"]["UsernameAttributes"] == ["email"]


def test_an_address_counts_as_verified_only_when_its_owner_said_so(template: Translation) -> None:
    pool = template["UserPool"]
    assert pool["AutoVerifiedAttributes"] == ["email"]
    assert pool["UserAttributeUpdateSettings"] == {"AttributesRequireVerificationBeforeUpdate": ["email"]}


def test_the_pool_is_retained_when_the_stack_is_deleted(template: Translation) -> None:
    assert template.resources["UserPool"]["DeletionPolicy"] == "Retain"
    assert template.resources["UserPool"]["UpdateReplacePolicy"] == "Retain"
    assert template["UserPool"]["DeletionProtection"] == if_else("IsProtected", "ACTIVE", "INACTIVE")


def test_a_client_can_write_names_and_address_and_nothing_else(template: Translation) -> None:
    assert template["UserPoolClient"]["WriteAttributes"] == ["email", "given_name", "family_name", "name"]


def test_the_client_tells_nobody_who_has_an_account(template: Translation) -> None:
    client = template["UserPoolClient"]
    assert client["PreventUserExistenceErrors"] == "ENABLED"
    assert "ALLOW_USER_PASSWORD_AUTH" not in client["ExplicitAuthFlows"]


def test_the_pool_refers_to_the_alias_by_name(template: Translation) -> None:
    arn = template["UserPool"]["LambdaConfig"]["PostConfirmation"]["Fn::Sub"]
    function = template["PostConfirmationFunction"]["FunctionName"]["Fn::Sub"]
    alias = template["PostConfirmationFunctionAliaslive"]["Name"]
    assert arn == f"arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:${{AWS::AccountId}}:function:{function}:{alias}"


def test_only_this_pool_of_this_account_may_invoke_the_alias(template: Translation) -> None:
    permission = template["PostConfirmationPermission"]
    existing = "arn:${AWS::Partition}:cognito-idp:${AWS::Region}:${AWS::AccountId}:userpool/${ExistingUserPoolId}"
    assert permission == {
        "Action": "lambda:InvokeFunction",
        "FunctionName": ref("PostConfirmationFunctionAliaslive"),
        "Principal": "cognito-idp.amazonaws.com",
        "SourceAccount": ref("AWS::AccountId"),
        "SourceArn": if_else("CreatesUserPool", attribute("UserPool"), {"Fn::Sub": existing}),
    }


def test_no_signup_is_possible_before_cognito_may_invoke_the_trigger(template: Translation) -> None:
    assert template.resources["UserPoolClient"]["DependsOn"] == "PostConfirmationPermission"


@pytest.mark.parametrize("output", ["UserPoolId", "UserPoolIdParameter"])
def test_an_existing_pool_replaces_ours(template: Translation, output: str) -> None:
    place = template.body["Outputs"][output] if output in template.body["Outputs"] else template[output]
    assert place["Value"] == if_else("CreatesUserPool", ref("UserPool"), ref("ExistingUserPoolId"))
