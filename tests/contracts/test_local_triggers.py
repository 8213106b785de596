"""The layer of triggers in front of the emulator's Cognito behaves as Cognito does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from onramp.local.asgi import Reply
from onramp.local.gateway import trigger_invocation
from onramp.local.gateway.aws import NoAnswerError
from onramp.local.gateway.client import GatewayControlError
from onramp.local.gateway.trigger_invocation import invoke_trigger
from onramp.local.stack import LocalStack
from tests.contracts.toy import CODE, PASSWORD, confirm, events_about, function_calls, sign_up


@pytest.fixture(autouse=True)
def _clear_faults(toy: LocalStack) -> Iterator[None]:
    yield
    toy.control.clear()


def user_of(toy: LocalStack, email: str) -> dict[str, Any]:
    answer = toy.client("cognito-idp").admin_get_user(UserPoolId=toy.outputs["PoolId"], Username=email)
    attributes = {item["Name"]: item["Value"] for item in answer["UserAttributes"]}
    return {"username": answer["Username"], "status": answer["UserStatus"], **attributes}


def code_and_message(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    return error.value.response["Error"]["Code"], error.value.response["Error"]["Message"]


def test_confirm_sign_up_sends_the_whole_event_to_the_alias(toy: LocalStack) -> None:
    email = sign_up(toy)
    confirm(toy, email, ClientMetadata={"campaign": "spring"})
    user = user_of(toy, email)
    assert events_about(toy, email) == [
        {
            "version": "1",
            "triggerSource": "PostConfirmation_ConfirmSignUp",
            "region": "eu-west-1",
            "userPoolId": toy.outputs["PoolId"],
            "userName": user["username"],
            "callerContext": {"awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": toy.outputs["ClientId"]},
            "request": {
                "userAttributes": {
                    "sub": user["sub"],
                    "email": email,
                    "email_verified": "true",
                    "cognito:user_status": "CONFIRMED",
                },
                "clientMetadata": {"campaign": "spring"},
            },
            "response": {},
        }
    ]
    assert {line["function"].rpartition(":")[2] for line in function_calls(toy) if email in json.dumps(line)} == {
        "live"
    }
    assert (user["status"], user["email_verified"]) == ("CONFIRMED", "true")


def test_an_administrators_confirmation_has_no_client_and_verifies_nothing(toy: LocalStack) -> None:
    email = sign_up(toy)
    toy.client("cognito-idp").admin_confirm_sign_up(UserPoolId=toy.outputs["PoolId"], Username=email)
    (event,) = events_about(toy, email)
    assert event["triggerSource"] == "PostConfirmation_ConfirmSignUp"
    assert event["callerContext"]["clientId"] is None
    assert "email_verified" not in event["request"]["userAttributes"]


def test_a_password_reset_invokes_with_its_own_source(toy: LocalStack) -> None:
    email = sign_up(toy)
    confirm(toy, email)
    idp, client = toy.client("cognito-idp"), toy.outputs["ClientId"]
    idp.forgot_password(ClientId=client, Username=email)
    idp.confirm_forgot_password(ClientId=client, Username=email, ConfirmationCode="654321", Password=PASSWORD + "x")
    assert [event["triggerSource"] for event in events_about(toy, email)] == [
        "PostConfirmation_ConfirmSignUp",
        "PostConfirmation_ConfirmForgotPassword",
    ]


def test_a_sign_in_invokes_post_authentication_and_a_refresh_does_not(toy: LocalStack) -> None:
    email = sign_up(toy)
    confirm(toy, email)
    idp, client = toy.client("cognito-idp"), toy.outputs["ClientId"]
    parameters = {"USERNAME": email, "PASSWORD": PASSWORD}
    tokens = idp.initiate_auth(ClientId=client, AuthFlow="USER_PASSWORD_AUTH", AuthParameters=parameters)
    refresh = {"REFRESH_TOKEN": tokens["AuthenticationResult"]["RefreshToken"]}
    idp.initiate_auth(ClientId=client, AuthFlow="REFRESH_TOKEN_AUTH", AuthParameters=refresh)
    _, sign_in = events_about(toy, email)
    assert sign_in["triggerSource"] == "PostAuthentication_Authentication"
    assert sign_in["request"]["newDeviceUsed"] is False


def test_the_error_of_a_trigger_reaches_the_client_and_the_user_stays_confirmed(toy: LocalStack) -> None:
    email = sign_up(toy, "reject")
    with pytest.raises(ClientError) as error:
        confirm(toy, email)
    assert code_and_message(error) == ("UserLambdaValidationException", "PostConfirmation failed with error rejected.")
    assert user_of(toy, email)["status"] == "CONFIRMED"


def test_a_confirmed_user_is_never_confirmed_again(toy: LocalStack) -> None:
    email = sign_up(toy, "reject")
    idp, pool = toy.client("cognito-idp"), toy.outputs["PoolId"]
    with pytest.raises(ClientError):
        confirm(toy, email)
    for again in (lambda: confirm(toy, email), lambda: idp.admin_confirm_sign_up(UserPoolId=pool, Username=email)):
        with pytest.raises(ClientError) as error:
            again()
        assert code_and_message(error) == (
            "NotAuthorizedException",
            "User cannot be confirmed. Current status is CONFIRMED",
        )
    assert len(events_about(toy, email)) == 1


def test_an_answer_that_is_not_the_event_is_unrecognizable(toy: LocalStack) -> None:
    with pytest.raises(ClientError) as error:
        confirm(toy, sign_up(toy, "garbage"))
    assert code_and_message(error) == ("InvalidLambdaResponseException", "Unrecognizable lambda output")


def test_a_wrong_code_and_an_unknown_user_invoke_nothing(toy: LocalStack) -> None:
    email, client = sign_up(toy), toy.outputs["ClientId"]
    for name, code in ((email, "000000"), ("unknown@example.com", CODE)):
        with pytest.raises(ClientError):
            toy.client("cognito-idp").confirm_sign_up(ClientId=client, Username=name, ConfirmationCode=code)
    assert events_about(toy, email) == []


def test_a_pool_without_permission_may_not_invoke(toy: LocalStack) -> None:
    with pytest.raises(ClientError) as error:
        confirm(toy, sign_up(toy, client="UnpermittedClientId"), client="UnpermittedClientId")
    message = "PostConfirmation invocation failed due to error AccessDeniedException."
    assert code_and_message(error) == ("UnexpectedLambdaException", message)


def test_lambda_can_be_made_to_fail_under_the_trigger(toy: LocalStack) -> None:
    toy.control.fault("lambda", "Invoke", "refused", times=None, match="-Toy", code="ServiceException")
    email = sign_up(toy)
    with pytest.raises(ClientError) as error:
        confirm(toy, email)
    assert code_and_message(error)[0] == "UnexpectedLambdaException"
    assert events_about(toy, email) == []


def test_a_first_federated_sign_in_invokes_with_its_identities(toy: LocalStack) -> None:
    email = "grace@example.com"
    user = toy.control.federated_sign_in(toy.outputs["PoolId"], "Google", {"email": email}, userId="117")
    assert user["username"] == "Google_117"
    (event,) = events_about(toy, email)
    attributes = event["request"]["userAttributes"]
    assert (attributes["cognito:user_status"], attributes["email_verified"]) == ("EXTERNAL_PROVIDER", "false")
    (identity,) = json.loads(attributes["identities"])
    assert (identity["providerName"], identity["providerType"], identity["primary"]) == ("Google", "Google", True)


def test_a_rejected_federated_sign_in_returns_the_error_of_the_trigger(toy: LocalStack) -> None:
    with pytest.raises(GatewayControlError) as error:
        toy.control.federated_sign_in(toy.outputs["PoolId"], "Okta", {"email": "reject@example.com"})
    assert error.value.code == "UserLambdaValidationException"


class Functions:
    """Lambda with one answer for each attempt; None: no answer before Cognito's timeout."""

    def __init__(self, *answers: Reply | Exception | None) -> None:
        self._answers = list(answers)
        self.attempts = 0

    async def function_policy(self, function: str) -> Mapping[str, Any]:
        return {"Statement": [{"Principal": {"Service": "cognito-idp.amazonaws.com"}}]}

    async def invoke(self, function: str, event: Mapping[str, Any]) -> Reply:
        answer = self._answers[self.attempts]
        self.attempts += 1
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        assert answer is not None
        return answer


SUCCESS = Reply(200, (), b'{"response": {}}')
TIMED_OUT = Reply(200, ((b"x-amz-function-error", b"Unhandled"),), b'{"errorMessage": "Task timed out after 5 s"}')


@pytest.mark.parametrize("slow", [None, TIMED_OUT, NoAnswerError()])
@pytest.mark.parametrize(("failures", "error"), [(1, None), (2, None), (3, "Socket timeout")])
def test_a_timeout_is_retried_up_to_three_attempts(
    slow: Any, failures: int, error: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trigger_invocation, "ANSWER_WITHIN_SECONDS", 0.01)
    functions: Any = Functions(*[slow] * failures, SUCCESS)
    reply = asyncio.run(invoke_trigger(functions, "PostConfirmation", "arn", "arn:pool", {}))
    assert functions.attempts == min(failures + 1, 3)
    if error is None:
        assert reply is None
    else:
        assert reply is not None
        assert error.encode() in reply.body
