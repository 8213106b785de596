"""One role per function, with exactly the actions that the function uses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.infrastructure.translation import FUNCTIONS, NO_VALUE, Translation, attribute, if_else, ref

SSM = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter"
EXISTING_POOL = {
    "Fn::Sub": "arn:${AWS::Partition}:cognito-idp:${AWS::Region}:${AWS::AccountId}:userpool/${ExistingUserPoolId}"
}
OWED, BY_SUB = ({"Fn::Sub": f"${{UsersTable.Arn}}/index/{name}"} for name in ("OwedIndex", "CognitoSubIndex"))
KEY_VERBS = {"kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"}
TRACE_VERBS = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
POOL_VERBS = {"cognito-idp:DescribeUserPool", "cognito-idp:ListUsers"}
LOG_VERBS = {"logs:CreateLogStream", "logs:PutLogEvents"}

# Statement -> (actions, resource). The statements of the key and of the secrets have a condition.
GRANTS: dict[str, dict[str, tuple[set[str], Any]]] = {
    "PostConfirmation": {
        "WriteTheCoreRecord": ({"dynamodb:UpdateItem"}, attribute("UsersTable")),
        "EmitUserSignedUp": ({"events:PutEvents"}, attribute("EventBus")),
        "HandOverASignupWithoutARecord": ({"events:PutEvents"}, attribute("EventBus")),
        "FindTheRecordAtSignIn": ({"dynamodb:GetItem"}, attribute("UsersTable")),
        "FindTheRecordOfASubAtSignIn": ({"dynamodb:Query"}, BY_SUB),
        "SeeAtSignInWhoIsForgotten": ({"dynamodb:GetItem"}, attribute("OperationsTable")),
        "WriteItsOwnLog": (LOG_VERBS, attribute("PostConfirmationLogGroup")),
        "SendTraces": (TRACE_VERBS, "*"),
        "UseTheDataKey": (KEY_VERBS, ref("DataKeyArn")),
    },
    "EnrichProfile": {
        "TakeAndPostponeMessages": (
            {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"},
            attribute("ProvisioningQueue"),
        ),
        "DeadLetterWithAReason": ({"sqs:SendMessage"}, attribute("ProvisioningDlq")),
        "ReadUsers": ({"dynamodb:GetItem"}, attribute("UsersTable")),
        "MoveWhatIsOwed": ({"dynamodb:UpdateItem"}, attribute("UsersTable")),
        "KeepTheProfile": (
            {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:UpdateItem"},
            attribute("UserProfilesTable"),
        ),
        "SeeWhoIsForgotten": ({"dynamodb:GetItem"}, attribute("OperationsTable")),
        "EmitTheOutcome": ({"events:PutEvents"}, attribute("EventBus")),
        "ReadTheStripeKey": ({"ssm:GetParameter"}, {"Fn::Sub": SSM + "${StripeSecretName}"}),
        "ReadTheRevenueCatKey": ({"ssm:GetParameter"}, {"Fn::Sub": SSM + "${RevenueCatSecretName}"}),
        "DecryptTheProviderKeys": ({"kms:Decrypt"}, ref("SecretsKeyArn")),
        "WriteItsOwnLog": (LOG_VERBS, attribute("EnrichProfileLogGroup")),
        "SendTraces": (TRACE_VERBS, "*"),
        "UseTheDataKey": (KEY_VERBS, ref("DataKeyArn")),
    },
    "HealSignup": {
        "TakeMessages": (
            {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"},
            attribute("SignupHealQueue"),
        ),
        "FindTheUserInThePool": (
            {"cognito-idp:ListUsers"},
            if_else("CreatesUserPool", attribute("UserPool"), EXISTING_POOL),
        ),
        "FindTheUserInTheOtherPools": ({"cognito-idp:ListUsers"}, ref("AdditionalUserPoolArns")),
        "ReadUsers": ({"dynamodb:GetItem"}, attribute("UsersTable")),
        "WriteTheCoreRecord": ({"dynamodb:UpdateItem"}, attribute("UsersTable")),
        "FindTheRecordOfASub": ({"dynamodb:Query"}, BY_SUB),
        "SeeWhoIsForgotten": ({"dynamodb:GetItem"}, attribute("OperationsTable")),
        "EmitUserSignedUp": ({"events:PutEvents"}, attribute("EventBus")),
        "WriteItsOwnLog": (LOG_VERBS, attribute("HealSignupLogGroup")),
        "SendTraces": (TRACE_VERBS, "*"),
        "UseTheDataKey": (KEY_VERBS, ref("DataKeyArn")),
    },
    "Reconcile": {
        "FindWhatIsOwedAndWhoIsLinked": ({"dynamodb:Query"}, [OWED, BY_SUB]),
        "ReadUsers": ({"dynamodb:BatchGetItem"}, attribute("UsersTable")),
        "MoveWhatIsOwedAndHeal": ({"dynamodb:UpdateItem"}, attribute("UsersTable")),
        "RemoveRecordsOfForgottenUsers": ({"dynamodb:DeleteItem"}, attribute("UsersTable")),
        "SeeWhoIsReady": ({"dynamodb:BatchGetItem"}, attribute("UserProfilesTable")),
        "SeeTheCheckpointAndWhoIsForgotten": ({"dynamodb:GetItem"}, attribute("OperationsTable")),
        "SeeWhoOfABatchIsForgotten": ({"dynamodb:BatchGetItem"}, attribute("OperationsTable")),
        "KeepTheCheckpoint": ({"dynamodb:PutItem"}, attribute("OperationsTable")),
        "EmitAgain": ({"events:PutEvents"}, attribute("EventBus")),
        "QueueAgain": ({"sqs:GetQueueAttributes", "sqs:SendMessage"}, attribute("ProvisioningQueue")),
        "WalkThePool": (POOL_VERBS, if_else("CreatesUserPool", attribute("UserPool"), EXISTING_POOL)),
        "WalkTheOtherPools": (POOL_VERBS, ref("AdditionalUserPoolArns")),
        "SeeWhoMayInvokeTheTrigger": ({"lambda:GetPolicy"}, ref("PostConfirmationFunctionAliaslive")),
        "WriteItsOwnLog": (LOG_VERBS, attribute("ReconcileLogGroup")),
        "SendTraces": (TRACE_VERBS, "*"),
        "UseTheDataKey": (KEY_VERBS, ref("DataKeyArn")),
    },
}
ONLY_WITH = {
    "FindTheRecordAtSignIn": "HealsOnSignIn",
    "FindTheRecordOfASubAtSignIn": "HealsOnSignIn",
    "FindTheUserInTheOtherPools": "HasMoreUserPools",
    "SeeAtSignInWhoIsForgotten": "HealsOnSignIn",
    "WalkTheOtherPools": "HasMoreUserPools",
    "ReadTheStripeKey": "HasStripeSecret",
    "ReadTheRevenueCatKey": "HasRevenueCatSecret",
    "DecryptTheProviderKeys": "HasSecretsKey",
    "UseTheDataKey": "HasDataKey",
}
EVENTS: dict[str, tuple[str, object]] = {
    "EmitUserSignedUp": ("onramp.signup", "UserSignedUp"),
    "HandOverASignupWithoutARecord": ("onramp.internal", "SignupNotRecorded"),
    "EmitAgain": ("onramp.signup", ["UserSignedUp", "UserForgotten"]),
    "EmitTheOutcome": ("onramp.signup", ["UserProvisioned", "UserProvisioningFailed"]),
}


def statements(template: Translation, name: str) -> dict[str, dict[str, object]]:
    (policy,) = template[f"{name}Role"]["Policies"]
    found = {}
    for statement in policy["PolicyDocument"]["Statement"]:
        if "Fn::If" in statement:
            condition, statement, otherwise = statement["Fn::If"]
            assert (condition, otherwise) == (ONLY_WITH[statement["Sid"]], NO_VALUE)
        else:
            assert statement["Sid"] not in ONLY_WITH
        found[statement["Sid"]] = statement
    return found


def actions(statement: dict[str, object]) -> set[str]:
    action = statement["Action"]
    return {action} if isinstance(action, str) else set(action)  # type: ignore[call-overload]


def test_every_function_has_its_own_role(template: Translation) -> None:
    roles = {function: template[function]["Role"] for function in FUNCTIONS}
    assert roles == {function: attribute(function.replace("Function", "Role")) for function in FUNCTIONS}
    others = {"CheckVersionRole", "MoveAliasRole"}  # of the deployment: test_check_version.py
    assert set(template.of_type("AWS::IAM::Role")) == {f"{name}Role" for name in GRANTS} | others


@pytest.mark.parametrize("name", GRANTS)
class TestEveryRole:
    def test_grants_exactly_this(self, template: Translation, name: str) -> None:
        found = statements(template, name)
        assert {sid: (actions(granted), granted["Resource"]) for sid, granted in found.items()} == GRANTS[name]
        assert {granted["Effect"] for granted in found.values()} == {"Allow"}

    def test_has_no_wildcard_but_for_traces(self, template: Translation, name: str) -> None:
        for sid, granted in statements(template, name).items():
            assert not [action for action in actions(granted) if "*" in action]
            assert "*" not in str(granted["Resource"]) or sid == "SendTraces"

    def test_has_no_other_policy(self, template: Translation, name: str) -> None:
        role = template[f"{name}Role"]
        assert "ManagedPolicyArns" not in role
        assert not template.of_type("AWS::IAM::Policy")
        (trusted,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert trusted == {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }

    def test_emits_its_own_events_only(self, template: Translation, name: str) -> None:
        for sid, granted in statements(template, name).items():
            if "events:PutEvents" in actions(granted):
                source, kinds = EVENTS[sid]
                assert granted["Condition"] == {"StringEquals": {"events:source": source, "events:detail-type": kinds}}

    def test_uses_the_customer_key_through_its_services_only(self, template: Translation, name: str) -> None:
        condition = statements(template, name)["UseTheDataKey"]["Condition"]
        services = [via["Fn::Sub"].split(".")[0] for via in condition["StringEquals"]["kms:ViaService"]]  # type: ignore[index]
        used = {action.split(":")[0] for granted, _ in GRANTS[name].values() for action in granted}
        assert set(services) == used - {"logs", "xray", "kms", "cognito-idp", "lambda"}


ROWS: dict[str, dict[str, str | list[str]]] = {
    "SeeAtSignInWhoIsForgotten": {"StringLike": "FORGOTTEN#*"},
    "SeeWhoIsForgotten": {"StringLike": "FORGOTTEN#*"},
    "SeeTheCheckpointAndWhoIsForgotten": {"StringLike": ["SWEEP#pool", "FORGOTTEN#*"]},
    "SeeWhoOfABatchIsForgotten": {"StringLike": "FORGOTTEN#*"},
    "KeepTheCheckpoint": {"StringEquals": "SWEEP#pool"},
}


@pytest.mark.parametrize("name", GRANTS)
def test_a_function_has_access_to_its_own_rows_of_operations_only(template: Translation, name: str) -> None:
    """The audit log of the operator commands is in the same table."""
    for sid, granted in statements(template, name).items():
        if granted["Resource"] == attribute("OperationsTable"):
            ((operator, rows),) = ROWS[sid].items()
            assert granted["Condition"] == {f"ForAllValues:{operator}": {"dynamodb:LeadingKeys": rows}}
