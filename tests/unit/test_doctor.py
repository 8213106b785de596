"""What the doctor makes of answers that no emulator gives: one check at a time, over scripted clients."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import urllib3

from onramp.domain.errors import RetryableError
from onramp.ops.common.deployment import Deployment, Resource
from onramp.ops.doctor import alarms, bus, functions, pool, queues, reconciler, secrets
from onramp.ops.doctor.checks import CHECKS, examine
from onramp.ops.doctor.findings import Finding, Level, reason, unchecked
from tests.fakes.client import client_error, paginator

NOW = 1_790_000_000_000
ACCOUNT = "123456789012"
LAMBDA = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function"
ALIAS = f"{LAMBDA}:onramp-PostConfirmation:live"
QUEUE, LETTERS = (f"arn:aws:sqs:eu-west-1:{ACCOUNT}:{name}" for name in ("Provisioning", "ProvisioningDlq"))
OUTPUTS = {
    "UserPoolId": "eu-west-1_Pool",
    "EventBusName": "onramp",
    "PostConfirmationFunctionName": "onramp-PostConfirmation",
    "EnrichProfileFunctionName": "onramp-EnrichProfile",
    "ReconcileFunctionName": "onramp-Reconcile",
    "ProvisioningQueueUrl": "https://sqs/Provisioning",
    "ProvisioningDlqUrl": "https://sqs/ProvisioningDlq",
    "EventDeliveryDlqUrl": "https://sqs/EventDeliveryDlq",
}
PARAMETERS = {
    "StripeSecretName": "/stripe",
    "StripeBaseUrl": "https://stripe.test",
    "RevenueCatSecretName": "",
    "RevenueCatBaseUrl": "https://revenuecat.test",
    "RevenueCatProjectId": "proj",
    "MaxReceiveCount": "60",
}
Answer = Mapping[str, Any] | Callable[..., Mapping[str, Any]] | Exception


class Answers:
    """A client that knows a few answers; an error among them is raised."""

    def __init__(self, service: str, answers: Mapping[str, Answer]) -> None:
        self._service, self._answers = service, answers

    def __getattr__(self, name: str) -> Any:
        if name == "get_paginator":
            return lambda operation: paginator(self, self._service, operation)
        answer = self._answers[name]

        def call(**request: Any) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer(**request) if callable(answer) else answer

        return call


@dataclass
class Http:
    status: int = 200
    error: Exception | None = None
    urls: list[str] = field(default_factory=list)

    def request(self, method: str, url: str, **more: Any) -> Any:
        self.urls.append(url)
        if self.error:
            raise self.error
        return urllib3.HTTPResponse(status=self.status)


ALIVE = {"get_alias": {"AliasArn": ALIAS}}


def stack(
    http: Http | None = None, parameters: Mapping[str, str] | None = None, **answers: Mapping[str, Answer]
) -> Deployment:
    """`lambda_` for lambda; `cognito_idp` for cognito-idp."""
    services = {name.rstrip("_").replace("_", "-"): known for name, known in answers.items()}
    clients = {
        name: Answers(name, (ALIVE if name == "lambda" else {}) | dict(known)) for name, known in services.items()
    }
    clients.setdefault("lambda", Answers("lambda", ALIVE))
    given = PARAMETERS | dict(parameters or {})
    return Deployment("onramp", lambda name: clients[name], OUTPUTS, given, lambda: NOW, http or Http())


def of(findings: Any) -> dict[str, Finding]:
    """By level; the last of each."""
    return {finding.level.value: finding for finding in findings}


class TestUnchecked:
    def test_a_denied_permission_is_named(self) -> None:
        message = "User: arn:aws:iam::1:user/nia is not authorized to perform: lambda:GetPolicy on resource: x"
        denied = client_error("lambda", "get_policy", "AccessDeniedException", message)
        assert unchecked(denied).what == "could not be checked: lambda:GetPolicy is not allowed"
        wrapped = RetryableError("owed_query")
        wrapped.__cause__ = denied
        assert "lambda:GetPolicy" in unchecked(wrapped).what

    def test_an_api_that_is_not_there_is_named(self) -> None:
        assert reason(client_error("kms", "describe_key", "InvalidAction", "?")) == "DescribeKey (InvalidAction)"

    def test_a_bug_in_a_check_is_a_finding_and_the_others_go_on(self) -> None:
        found = list(examine(stack(events={"describe_event_bus": {}}), ("bus",)))
        said = [examined.finding.what for examined in found if examined.finding.level is Level.WARNING]
        assert len(said) == len(CHECKS["bus"])
        assert all("KeyError at" in what for what in said)


class TestPool:
    def test_a_pool_that_is_gone(self) -> None:
        gone = client_error("cognito-idp", "describe_user_pool", "ResourceNotFoundException", "no")
        (found,) = pool.attached(_with_pools(cognito_idp={"describe_user_pool": gone}))
        assert (found.level, "no user pool" in found.what) == (Level.TROUBLE, True)

    def test_a_pool_that_names_a_version_and_not_the_alias(self) -> None:
        triggers = {"PostConfirmation": f"{LAMBDA}:onramp-PostConfirmation:7"}
        described = {"describe_user_pool": {"UserPool": {"LambdaConfig": triggers}}}
        (found,) = pool.attached(_with_pools(cognito_idp=described))
        assert (found.level, "past its alias" in found.what) == (Level.TROUBLE, True)

    def test_healing_at_sign_in_that_is_not_wired(self) -> None:
        described = {"describe_user_pool": {"UserPool": {"LambdaConfig": {"PostConfirmation": ALIAS}}}}
        found = of(pool.attached(_with_pools({"HealOnSignIn": "true"}, cognito_idp=described)))
        assert "--heal-on-sign-in" in found["warning"].cure

    def test_a_permission_for_anybody_is_too_wide(self) -> None:
        statement = {"Effect": "Allow", "Principal": {"Service": "cognito-idp.amazonaws.com"}, "Action": "lambda:*"}
        policy = {"get_policy": {"Policy": json.dumps({"Statement": [statement]})}}
        (found,) = pool.may_invoke(_with_pools(lambda_=policy))
        assert (found.level, "any pool" in found.what) == (Level.WARNING, True)

    @pytest.mark.parametrize(("unverified", "level"), [("false", Level.TROUBLE), ("true", Level.WARNING)])
    def test_a_stranger_beside_google_and_a_trusted_provider(self, unverified: str, level: Level) -> None:
        providers = [
            {"ProviderName": "Google", "ProviderType": "Google"},
            {"ProviderName": "SignInWithApple", "ProviderType": "SAML"},
            {"ProviderName": "Contoso", "ProviderType": "SAML"},
        ]
        settings = {"TRUSTED_IDENTITY_PROVIDERS": "Contoso@example.com", "ALLOW_UNVERIFIED_SIGNUPS": unverified}
        deployed = _with_pools(settings=settings, cognito_idp={"list_identity_providers": {"Providers": providers}})
        (found,) = pool.providers(deployed)
        assert found.level is level
        assert "SignInWithApple" in found.what, "by name only: its type is not Apple's"
        assert "Contoso@example.com,SignInWithApple@YOUR-DOMAIN" in found.cure


def _with_pools(
    parameters: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
    **answers: Mapping[str, Answer],
) -> Deployment:
    environment = {"Variables": {"USER_POOL_IDS": f"{OUTPUTS['UserPoolId']},"} | dict(settings or {})}
    configuration = {"get_function_configuration": {"Environment": environment}}
    answers["lambda_"] = configuration | dict(answers.get("lambda_", {}))
    return stack(None, parameters, **answers)


class TestFunctions:
    def test_a_setting_that_is_not_what_the_stack_says(self) -> None:
        deployed = _running({"MAX_RECEIVE_COUNT": "4"})
        found = of(functions.live(deployed))
        assert "MAX_RECEIVE_COUNT" in found["trouble"].what

    def test_an_unset_revision_is_no_claim(self) -> None:
        assert of(functions.live(_running({"CODE_VERSION": "unreleased"}, Revision=""))).keys() == {"ok"}
        assert "CODE_VERSION" in of(functions.live(_running({"CODE_VERSION": "1"}, Revision="2")))["trouble"].what

    def test_other_code_than_was_deployed(self) -> None:
        def configuration(FunctionName: str, Qualifier: str) -> dict[str, Any]:  # noqa: N803
            return {"CodeSha256": Qualifier, "Version": "3"}

        found = of(functions.live(stack(lambda_={"get_function_configuration": configuration})))
        assert "CodeSha256" in found["trouble"].what
        assert "version 3" in found["trouble"].what

    def test_a_deployment_that_stands_still_halfway(self) -> None:
        answers = {
            "get_function_concurrency": {},
            "get_alias": {"AliasArn": ALIAS, "RoutingConfig": {"AdditionalVersionWeights": {"4": 0.1}}},
        }
        found = of(functions.running(stack(lambda_=answers)))
        assert "version 4" in found["warning"].what

    def test_a_trigger_that_takes_longer_than_cognito_waits(self) -> None:
        attributes = {"get_queue_attributes": {"Attributes": {"VisibilityTimeout": "360"}}}
        deployed = stack(lambda_={"get_function_configuration": {"Timeout": 10}}, sqs=attributes)
        assert "10 s" in of(functions.times(deployed))["warning"].what

    def test_failures_that_nobody_reads(self) -> None:
        mapping = {"UUID": "1", "State": "Enabled", "FunctionResponseTypes": []}
        answers = {"list_event_source_mappings": {"EventSourceMappings": [mapping]}}
        sqs = {"get_queue_attributes": {"Attributes": {"QueueArn": QUEUE}}}
        assert "ReportBatchItemFailures" in of(functions.fed(stack(lambda_=answers, sqs=sqs)))["trouble"].cure
        nothing: dict[str, Answer] = {"list_event_source_mappings": {"EventSourceMappings": []}}
        assert "create-event-source-mapping" in of(functions.fed(stack(lambda_=nothing, sqs=sqs)))["trouble"].cure


def _running(environment: dict[str, str], **parameters: str) -> Deployment:
    configuration = {"get_function_configuration": {"Environment": {"Variables": environment}}}
    return stack(parameters=parameters, lambda_=configuration)


class TestBus:
    def test_a_bus_that_is_gone(self) -> None:
        gone = client_error("events", "describe_event_bus", "ResourceNotFoundException", "no")
        (found,) = bus.bus(stack(events={"describe_event_bus": gone}))
        assert "aws events create-event-bus --name onramp" in found.cure

    def test_a_bus_that_nothing_archives(self) -> None:
        answers: dict[str, Answer] = {"describe_event_bus": {"Arn": "arn:bus"}, "list_archives": {"Archives": []}}
        assert "create-archive" in of(bus.bus(stack(events=answers)))["warning"].cure

    def test_a_rule_that_is_gone(self) -> None:
        gone = client_error("events", "describe_rule", "ResourceNotFoundException", "no")
        deployed = stack(events={"describe_rule": gone})
        deployed.resources = {"UserSignedUpRule": Resource("AWS::Events::Rule", "onramp|onramp-Rule-1")}
        (found,) = bus.rule(deployed)
        assert "aws events put-rule --name onramp-Rule-1 --event-bus-name onramp" in found.cure


class TestKeys:
    KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1"

    def keys(self, policy: Any, manager: str = "CUSTOMER") -> list[Finding]:
        attributes = {"Attributes": {"KmsMasterKeyId": self.KEY, "QueueArn": QUEUE}}
        kms: dict[str, Answer] = {
            "describe_key": {"KeyMetadata": {"KeyManager": manager}},
            "get_key_policy": {"Policy": json.dumps(policy)},
        }
        return list(queues.keys(stack(sqs={"get_queue_attributes": attributes}, kms=kms)))

    def allowing(self, *actions: str) -> dict[str, Any]:
        principal = {"Service": "events.amazonaws.com"}
        return {"Statement": [{"Effect": "Allow", "Principal": principal, "Action": list(actions), "Resource": "*"}]}

    def test_a_customer_key_that_eventbridge_may_use(self) -> None:
        assert of(self.keys(self.allowing("kms:Decrypt", "kms:GenerateDataKey*"))).keys() == {"ok"}

    @pytest.mark.parametrize("actions", [(), ("kms:Decrypt",), ("kms:GenerateDataKey",)])
    def test_a_customer_key_that_it_may_not(self, actions: tuple[str, ...]) -> None:
        found = of(self.keys(self.allowing(*actions)))
        assert "events.amazonaws.com" in found["trouble"].cure

    def test_a_key_of_aws_by_its_arn(self) -> None:
        assert "AWS-managed" in of(self.keys({}, manager="AWS"))["trouble"].what


class TestDeadLetters:
    def test_a_queue_without_a_dead_letter_queue(self) -> None:
        def attributes(QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:  # noqa: N803
            letters = QueueUrl.endswith("Dlq")
            kept = "1209600" if letters else "345600"
            return {"Attributes": {"QueueArn": LETTERS if letters else QUEUE, "MessageRetentionPeriod": kept}}

        found = of(queues.outlive(stack(sqs={"get_queue_attributes": attributes})))
        assert '\\"maxReceiveCount\\": \\"60\\"' in found["trouble"].cure


class TestSecrets:
    def parameter(self, value: str = "sk_live", kind: str = "SecureString") -> dict[str, Answer]:
        return {"get_parameter": {"Parameter": {"Value": value, "Type": kind}}}

    def test_a_provider_that_is_not_used(self) -> None:
        assert of(secrets.revenuecat(stack())).keys() == {"ok"}

    def test_an_empty_key(self) -> None:
        assert "is empty" in of(secrets.stripe(stack(ssm=self.parameter(" "))))["trouble"].what

    @pytest.mark.parametrize(
        ("status", "level"),
        [(200, "ok"), (401, "trouble"), (403, "trouble"), (404, "warning"), (429, "warning"), (503, "warning")],
    )
    def test_stripes_answer(self, status: int, level: str) -> None:
        http = Http(status)
        assert of(secrets.stripe(stack(http, ssm=self.parameter()))).keys() == {level}
        assert http.urls == ["https://stripe.test/v1/customers?limit=1"], "one read call"

    def test_an_unknown_project_of_revenuecat(self) -> None:
        http = Http(404)
        deployed = stack(http, {"RevenueCatSecretName": "/rc", "RevenueCatProjectId": "a/b"}, ssm=self.parameter())
        assert "RevenueCatProjectId=" in of(secrets.revenuecat(deployed))["trouble"].cure
        assert http.urls == ["https://revenuecat.test/v2/projects/a%2Fb/customers?limit=1"]

    def test_a_provider_out_of_reach(self) -> None:
        http = Http(error=urllib3.exceptions.ConnectTimeoutError("sk_live"))
        found = of(secrets.stripe(stack(http, ssm=self.parameter())))["warning"]
        assert "does not answer" in found.what
        assert "sk_live" not in str(found)


class TestAlarms:
    ALARM: Mapping[str, Any] = {
        "AlarmName": "one",
        "StateValue": "OK",
        "AlarmActions": ["arn:aws:sns:eu-west-1:1:pager"],
        "ActionsEnabled": True,
    }

    def found(self, *described: Mapping[str, Any], subscriptions: Answer) -> dict[str, Finding]:
        answers: dict[str, Answer] = {"describe_alarms": {"MetricAlarms": list(described)}}
        deployed = stack(cloudwatch=answers, sns={"list_subscriptions_by_topic": subscriptions})
        kind = "AWS::CloudWatch::Alarm"
        deployed.resources = {"OneAlarm": Resource(kind, "one"), "TwoAlarm": Resource(kind, "two")}
        return of(alarms.alarms(deployed))

    def test_one_that_was_deleted_by_hand(self) -> None:
        confirmed = {"Subscriptions": [{"SubscriptionArn": "arn:aws:sns:eu-west-1:1:pager:1"}]}
        found = self.found(self.ALARM, subscriptions=confirmed)
        assert "TwoAlarm" in found["trouble"].what

    def test_a_topic_that_nobody_reads(self) -> None:
        pending = {"Subscriptions": [{"SubscriptionArn": "PendingConfirmation"}]}
        assert "nobody has subscribed" in self.found(self.ALARM, subscriptions=pending)["warning"].what

    def test_a_topic_that_is_gone(self) -> None:
        gone = client_error("sns", "list_subscriptions_by_topic", "NotFound", "no")
        assert "does not exist" in self.found(self.ALARM, subscriptions=gone)["trouble"].what


class TestReconciler:
    def last_run(self, deployed: str, *points: tuple[int, float]) -> Finding:
        times = [datetime.fromtimestamp((NOW - minutes * 60_000) / 1000, UTC) for minutes, _ in points]
        result = {"Id": "m0", "Timestamps": times, "Values": [value for _, value in points]}
        answers = {"get_metric_data": {"MetricDataResults": [result]}}
        configuration = {"get_function_configuration": {"LastModified": deployed}}
        (found,) = reconciler.last_run(stack(cloudwatch=answers, lambda_=configuration))
        return found

    def test_by_its_own_metric(self) -> None:
        long_ago = "2026-01-01T00:00:00.000+0000"
        assert self.last_run(long_ago, (4, 1.0), (9, 1.0)).what.endswith("a run 4 min ago.")
        assert self.last_run(long_ago, (20, 1.0)).level is Level.TROUBLE
        assert "three hours" in self.last_run(long_ago, (5, 0.0)).what
        assert "three hours" in self.last_run(long_ago).what

    def test_a_stack_that_was_deployed_a_moment_ago(self) -> None:
        assert self.last_run("2026-09-21T14:10:00.000+0000").level is Level.OK
