"""The pool, its client and their connection to the trigger."""

from __future__ import annotations

from tests.infrastructure.translation import NO_VALUE, Translation, attribute, if_else, ref


def test_the_pool_and_its_client_exist_only_without_an_existing_one(template: Translation) -> None:
    for name in ("UserPool", "UserPoolClient"):
        assert template.resources[name]["Condition"] == "CreatesUserPool"


def test_upper_and_lower_case_are_the_same_user(template: Translation) -> None:
    assert template["UserPool"]["UsernameConfiguration"] == {"CaseSensitive": False}
    assert template["UserPool"]["UsernameAttributes"] == ["email"]


def test_a_changed_address_needs_verification_first(template: Translation) -> None:
    pool = template["UserPool"]
    assert pool["AutoVerifiedAttributes"] == ["email"]
    assert pool["UserAttributeUpdateSettings"] == {"AttributesRequireVerificationBeforeUpdate": ["email"]}


def test_the_pool_outlives_the_stack(template: Translation) -> None:
    assert template.resources["UserPool"]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert template.resources["UserPool"]["UpdateReplacePolicy"] == "Retain"
    assert template["UserPool"]["DeletionProtection"] == if_else("IsProtected", "ACTIVE", "INACTIVE")


def test_its_mail_comes_from_ses_only_with_an_identity(template: Translation) -> None:
    ses = {
        "EmailSendingAccount": "DEVELOPER",
        "SourceArn": ref("SesIdentityArn"),
        "From": ref("SesFromAddress"),
    }
    assert template["UserPool"]["EmailConfiguration"] == if_else("HasSesIdentity", ses, NO_VALUE)
    assert template.default("SesIdentityArn") == ""


def test_its_plan_and_its_second_factor_are_parameters(template: Translation) -> None:
    pool = template["UserPool"]
    assert (pool["UserPoolTier"], template.default("UserPoolTier")) == (ref("UserPoolTier"), "LITE")
    assert (pool["MfaConfiguration"], template.default("UserPoolMfa")) == (ref("UserPoolMfa"), "OFF")
    assert pool["EnabledMfas"] == if_else("UsesMfa", ["SOFTWARE_TOKEN_MFA"], NO_VALUE)


def test_a_client_can_write_names_and_address_and_nothing_else(template: Translation) -> None:
    assert template["UserPoolClient"]["WriteAttributes"] == ["email", "given_name", "family_name", "name"]


def test_the_client_does_not_reveal_whether_an_account_exists(template: Translation) -> None:
    client = template["UserPoolClient"]
    assert client["PreventUserExistenceErrors"] == "ENABLED"
    assert "ALLOW_USER_PASSWORD_AUTH" not in client["ExplicitAuthFlows"]


def test_the_pool_has_the_arn_of_the_alias_without_a_reference(template: Translation) -> None:
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


def test_no_sign_up_is_possible_before_cognito_may_invoke_the_trigger(template: Translation) -> None:
    assert template.resources["UserPoolClient"]["DependsOn"] == "PostConfirmationPermission"


def test_an_existing_pool_replaces_the_created_one(template: Translation) -> None:
    pool = template.body["Outputs"]["UserPoolId"]["Value"]
    assert pool == if_else("CreatesUserPool", ref("UserPool"), ref("ExistingUserPoolId"))
