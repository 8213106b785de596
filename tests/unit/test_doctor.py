"""Checks of the doctor on answers that the emulator does not give: one check at a time, over scripted clients."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest
import urllib3
from botocore.validate import ParamValidator

from onramp.domain.errors import RetryableError
from onramp.local.translate import load_template
from onramp.ops.common.context import OperatorContext
from onramp.ops.common.deployment import Deployment, Resource
from onramp.ops.common.errors import reason
from onramp.ops.common.output import Output
from onramp.ops.common.shell import CallOptions, call_options
from onramp.ops.doctor import (
    alarm_settings,
    alarms,
    bus,
    consumers,
    functions,
    keys,
    pool,
    queue_access,
    queues,
    reconciler,
    rules,
    secrets,
)
from onramp.ops.doctor.checks import CHECKS, CheckResult, one_for_each_cause, run_checks
from onramp.ops.doctor.findings import Cause, Finding, Level, ok, trouble, unchecked
from onramp.ops.doctor.wiring import DoctorWiring
from tests.fakes.client import client_error, paginator
from tests.infrastructure.translation import ROOT

NOW = 1_790_000_000_000
ACCOUNT = "123456789012"
LAMBDA = f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function"
ALIAS = f"{LAMBDA}:onramp-PostConfirmation:live"
QUEUE, LETTERS = (f"arn:aws:sqs:eu-west-1:{ACCOUNT}:{name}" for name in ("Provisioning", "ProvisioningDlq"))
OUTPUTS = {
    "UserPoolId": "eu-west-1_Pool",
    "EventBusName": "onramp",
    "UsersTableName": "users",
    "UserProfilesTableName": "profiles",
    "PostConfirmationFunctionName": "onramp-PostConfirmation",
    "EnrichProfileFunctionName": "onramp-EnrichProfile",
    "HealSignupFunctionName": "onramp-HealSignup",
    "ReconcileFunctionName": "onramp-Reconcile",
    "ProvisioningQueueUrl": "https://sqs/Provisioning",
    "ProvisioningDlqUrl": "https://sqs/ProvisioningDlq",
    "EventDeliveryDlqUrl": "https://sqs/EventDeliveryDlq",
    "SignupHealQueueUrl": "https://sqs/SignupHeal",
    "SignupHealDlqUrl": "https://sqs/SignupHealDlq",
}
PARAMETERS = {
    "StripeSecretName": "/stripe",
    "StripeBaseUrl": "https://stripe.test",
    "RevenueCatSecretName": "",
    "RevenueCatBaseUrl": "https://revenuecat.test",
    "RevenueCatProjectId": "proj",
    "MaxReceiveCount": "60",
    "EnrichMaximumConcurrency": "2",
}
SERVICES = ("cloudformation", "cloudwatch", "cognito-idp", "dynamodb", "events", "kms", "lambda", "sns", "sqs", "ssm")
Answer = Mapping[str, Any] | Callable[..., Mapping[str, Any]] | Exception


class Answers:
    """A client with a few scripted answers; an answer that is an exception is raised."""

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


def stack(
    http: Http | None = None, parameters: Mapping[str, str] | None = None, **answers: Mapping[str, Answer]
) -> Deployment:
    """`lambda_` for lambda; `cognito_idp` for cognito-idp."""
    scripted = {name.rstrip("_").replace("_", "-"): dict(known) for name, known in answers.items()}
    scripted["lambda"] = {"get_alias": {"AliasArn": ALIAS}} | scripted.get("lambda", {})
    scripted["dynamodb"] = {"query": {"Items": []}} | scripted.get("dynamodb", {})
    scripted["ssm"] = {"describe_parameters": {"Parameters": []}} | scripted.get("ssm", {})
    context = OperatorContext(
        Output(as_json=False),
        stack_name="onramp",
        now=lambda: NOW,
        clients={name: Answers(name, scripted.get(name, {})) for name in SERVICES},
    )
    context.outputs, context.parameters = OUTPUTS, PARAMETERS | dict(parameters or {})
    deployment = DoctorWiring.of(context).stack
    deployment.http = http or Http()
    return deployment


def by_level(findings: Iterable[Finding]) -> dict[str, Finding]:
    """The last of each level."""
    return {finding.level.value: finding for finding in findings}


class TestUnchecked:
    def test_a_denied_permission_is_named(self) -> None:
        message = "User: arn:aws:iam::1:user/nia is not authorized to perform: lambda:GetPolicy on resource: x"
        denied = client_error("lambda", "get_policy", "AccessDeniedException", message)
        assert unchecked(denied).what == "could not be checked: lambda:GetPolicy is not allowed"
        wrapped = RetryableError("owed_query")
        wrapped.__cause__ = denied
        assert "lambda:GetPolicy" in unchecked(wrapped).what

    def test_an_api_that_does_not_exist_is_named(self) -> None:
        assert reason(client_error("kms", "describe_key", "InvalidAction", "?")) == "DescribeKey (InvalidAction)"

    def test_a_bug_in_a_check_is_a_finding_and_the_others_go_on(self) -> None:
        results = run_checks(stack(events={"describe_event_bus": {}}), "bus")
        unchecked = [result.finding.what for result in results if result.finding.level is Level.WARNING]
        assert len(unchecked) == len(CHECKS["bus"])
        assert all("KeyError at" in what for what in unchecked)


class TestPool:
    def test_a_pool_that_does_not_exist(self) -> None:
        gone = client_error("cognito-idp", "describe_user_pool", "ResourceNotFoundException", "no")
        (finding,) = pool.trigger(_with_pools(cognito_idp={"describe_user_pool": gone}))
        assert (finding.level, "no user pool" in finding.what) == (Level.TROUBLE, True)

    def test_a_pool_that_names_a_version_and_not_the_alias(self) -> None:
        triggers = {"PostConfirmation": f"{LAMBDA}:onramp-PostConfirmation:7"}
        described = {"describe_user_pool": {"UserPool": {"LambdaConfig": triggers}}}
        (finding,) = pool.trigger(_with_pools(cognito_idp=described))
        assert (finding.level, "without its alias" in finding.what) == (Level.TROUBLE, True)

    @pytest.mark.parametrize("named", [None, f"{LAMBDA}:onramp-PostConfirmation:7", f"{LAMBDA}:another"])
    def test_what_a_pool_calls_instead_is_the_cause_of_its_alarms(self, named: str | None) -> None:
        triggers = {"PostConfirmation": named} if named else {}
        described = {"describe_user_pool": {"UserPool": {"LambdaConfig": triggers}}}
        (finding,) = pool.trigger(_with_pools(cognito_idp=described))
        assert (finding.level, finding.cause) == (Level.TROUBLE, alarms.CAUSES["TriggerDetachedAlarm"])

    def test_a_pool_that_does_not_call_the_trigger_at_sign_in(self) -> None:
        described = {"describe_user_pool": {"UserPool": {"LambdaConfig": {"PostConfirmation": ALIAS}}}}
        findings = by_level(pool.trigger(_with_pools({"HealOnSignIn": "true"}, cognito_idp=described)))
        assert "--heal-on-sign-in" in findings["warning"].cure

    def test_a_permission_without_a_source_is_too_wide(self) -> None:
        statement = {"Effect": "Allow", "Principal": {"Service": "cognito-idp.amazonaws.com"}, "Action": "lambda:*"}
        policy = {"get_policy": {"Policy": json.dumps({"Statement": [statement]})}}
        (finding,) = pool.permission(_with_pools(lambda_=policy))
        assert (finding.level, "every pool" in finding.what) == (Level.WARNING, True)

    @pytest.mark.parametrize(("unverified", "level"), [("false", Level.TROUBLE), ("true", Level.WARNING)])
    def test_an_untrusted_provider_beside_google_and_a_trusted_one(self, unverified: str, level: Level) -> None:
        providers = [
            {"ProviderName": "Google", "ProviderType": "Google"},
            {"ProviderName": "SignInWithApple", "ProviderType": "SAML"},
            {"ProviderName": "Contoso", "ProviderType": "SAML"},
        ]
        settings = {"TRUSTED_IDENTITY_PROVIDERS": "Contoso@example.com", "ALLOW_UNVERIFIED_SIGNUPS": unverified}
        deployed = _with_pools(settings=settings, cognito_idp={"list_identity_providers": {"Providers": providers}})
        (finding,) = pool.providers(deployed)
        assert finding.level is level
        assert finding.cause == (alarms.CAUSES["SignupRejectedAlarm"] if level is Level.TROUBLE else None)
        assert "SignInWithApple" in finding.what, "by name only: its type is not Apple's"
        assert "Contoso@example.com,SignInWithApple@YOUR-DOMAIN" in finding.cure


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
    def test_a_setting_that_differs_from_the_stacks_parameter(self) -> None:
        deployed = _running({"MAX_RECEIVE_COUNT": "4"})
        findings = by_level(functions.live_version(deployed))
        assert "MAX_RECEIVE_COUNT" in findings["trouble"].what

    def test_an_empty_revision_is_not_compared(self) -> None:
        assert by_level(functions.live_version(_running({"CODE_VERSION": "unreleased"}, Revision=""))).keys() == {"ok"}
        assert (
            "CODE_VERSION"
            in by_level(functions.live_version(_running({"CODE_VERSION": "1"}, Revision="2")))["trouble"].what
        )

    def test_a_live_version_with_other_code_than_the_latest(self) -> None:
        def configuration(FunctionName: str, Qualifier: str) -> dict[str, Any]:  # noqa: N803
            return {"CodeSha256": Qualifier, "Version": "3"}

        findings = by_level(functions.live_version(stack(lambda_={"get_function_configuration": configuration})))
        assert "CodeSha256" in findings["trouble"].what
        assert "version 3" in findings["trouble"].what

    def test_an_unfinished_gradual_deployment(self) -> None:
        answers = {
            "get_function_concurrency": {},
            "get_alias": {"AliasArn": ALIAS, "RoutingConfig": {"AdditionalVersionWeights": {"4": 0.1}}},
        }
        findings = by_level(functions.concurrency(stack(lambda_=answers)))
        assert "version 4" in findings["warning"].what

    def test_a_trigger_that_takes_longer_than_cognito_waits(self) -> None:
        attributes = {"get_queue_attributes": {"Attributes": {"VisibilityTimeout": "360"}}}
        deployed = stack(lambda_={"get_function_configuration": {"Timeout": 10}}, sqs=attributes)
        assert "10 s" in by_level(functions.timeout(deployed))["warning"].what

    def test_a_mapping_that_is_missing_or_ignores_partial_failures(self) -> None:
        mapping = {"UUID": "1", "State": "Enabled", "FunctionResponseTypes": []}
        answers = {"list_event_source_mappings": {"EventSourceMappings": [mapping]}}
        sqs = {"get_queue_attributes": {"Attributes": {"QueueArn": QUEUE}}}
        assert (
            "ReportBatchItemFailures"
            in by_level(consumers.event_sources(stack(lambda_=answers, sqs=sqs)))["trouble"].cure
        )
        nothing: dict[str, Answer] = {"list_event_source_mappings": {"EventSourceMappings": []}}
        assert (
            "create-event-source-mapping"
            in by_level(consumers.event_sources(stack(lambda_=nothing, sqs=sqs)))["trouble"].cure
        )


def _running(environment: dict[str, str], **parameters: str) -> Deployment:
    configuration = {"get_function_configuration": {"Environment": {"Variables": environment}}}
    return stack(parameters=parameters, lambda_=configuration)


BUS_ARN = f"arn:aws:events:eu-west-1:{ACCOUNT}:event-bus/onramp"


def shipped_policy(stack: str = "onramp") -> Any:
    """docs/kms-key-policy.json with its placeholders replaced."""
    text = (ROOT / "docs" / "kms-key-policy.json").read_text()
    return json.loads(text.replace("ACCOUNT", ACCOUNT).replace("REGION", "eu-west-1").replace("STACK", stack))


class TestBus:
    def test_a_bus_that_does_not_exist(self) -> None:
        gone = client_error("events", "describe_event_bus", "ResourceNotFoundException", "no")
        (finding,) = bus.bus(stack(events={"describe_event_bus": gone}))
        assert "aws events create-event-bus --name onramp" in finding.cure

    def test_a_bus_without_an_archive(self) -> None:
        answers: dict[str, Answer] = {"describe_event_bus": {"Arn": "arn:bus"}, "list_archives": {"Archives": []}}
        with_resources = stack(events=answers, cloudformation={"list_stack_resources": {"StackResourceSummaries": []}})
        assert "create-archive" in by_level(bus.bus(with_resources))["warning"].cure

    def test_a_rule_that_does_not_exist(self) -> None:
        gone = client_error("events", "describe_rule", "ResourceNotFoundException", "no")
        deployed = stack(events={"describe_rule": gone})
        deployed.resources = {"UserSignedUpRule": Resource("AWS::Events::Rule", "onramp|onramp-Rule-1")}
        finding, other = rules.rules(deployed)
        assert "there is no rule SignupNotRecordedRule" in other.what
        assert "aws events put-rule --name onramp-Rule-1 --event-bus-name onramp" in finding.cure


class TestKeys:
    KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1"
    OPTIONS = f"--kms-key-identifier {KEY} --dead-letter-config Arn=arn:aws:sqs:eu-west-1:{ACCOUNT}:onramp-EventBusDlq"

    def keys(self, policy: Any, manager: str = "CUSTOMER") -> list[Finding]:
        attributes = {"Attributes": {"KmsMasterKeyId": self.KEY, "QueueArn": QUEUE}}
        kms: dict[str, Answer] = {
            "describe_key": {"KeyMetadata": {"KeyManager": manager}},
            "get_key_policy": {"Policy": json.dumps(policy)},
        }
        deployed = stack(sqs={"get_queue_attributes": attributes}, kms=kms)
        deployed.resources = {"UserSignedUpRule": Resource("AWS::Events::Rule", "onramp|onramp-Rule-1")}
        return list(queue_access.encryption(deployed))

    def allowing(self, *actions: str) -> dict[str, Any]:
        principal = {"Service": "events.amazonaws.com"}
        return {"Statement": [{"Effect": "Allow", "Principal": principal, "Action": list(actions), "Resource": "*"}]}

    def test_a_customer_key_that_eventbridge_may_use(self) -> None:
        assert by_level(self.keys(self.allowing("kms:Decrypt", "kms:GenerateDataKey*"))).keys() == {"ok"}

    @pytest.mark.parametrize("actions", [(), ("kms:Decrypt",), ("kms:GenerateDataKey",)])
    def test_a_customer_key_that_eventbridge_may_not_use(self, actions: tuple[str, ...]) -> None:
        findings = by_level(self.keys(self.allowing(*actions)))
        assert "events.amazonaws.com" in findings["trouble"].cure

    def test_a_policy_for_another_source_is_no_grant(self) -> None:
        """EventBridge acts for the rule, not for the queue."""
        policy = self.allowing("kms:Decrypt", "kms:GenerateDataKey")
        policy["Statement"][0]["Condition"] = {"ArnLike": {"aws:SourceArn": QUEUE}}
        assert "trouble" in by_level(self.keys(policy))

    def bus(self, policy: Any, parameters: Mapping[str, str] | None = None, **more: Any) -> dict[str, Finding]:
        described = {"Name": "onramp", "Arn": BUS_ARN, "KmsKeyIdentifier": self.KEY} | more
        kms: dict[str, Answer] = {"get_key_policy": {"Policy": json.dumps(policy)}}
        return by_level(bus.encryption(stack(parameters=parameters, events={"describe_event_bus": described}, kms=kms)))

    def test_the_policy_of_the_documentation_is_enough(self) -> None:
        assert by_level(self.keys(shipped_policy())).keys() == {"ok"}
        assert self.bus(shipped_policy(), DeadLetterConfig={"Arn": "arn:dlq"}).keys() == {"ok"}

    @pytest.mark.parametrize(
        ("statement", "queue", "event_bus"), [(1, "ok", "trouble"), (2, "ok", "trouble"), (3, "trouble", "ok")]
    )
    def test_each_statement_of_it_is_needed(self, statement: int, queue: str, event_bus: str) -> None:
        policy = shipped_policy()
        del policy["Statement"][statement]
        assert queue in by_level(self.keys(policy))
        assert event_bus in self.bus(policy)

    @pytest.mark.parametrize("action", ["kms:GenerateDataKey", "kms:Decrypt", "kms:ReEncrypt*"])
    def test_each_action_for_the_bus_and_its_archive_is_needed(self, action: str) -> None:
        policy = shipped_policy()
        policy["Statement"][2]["Action"].remove(action)
        finding = self.bus(policy)["trouble"]
        assert action.removesuffix("*") in finding.what
        assert finding.cause is alarms.CAUSES["EmitFailedAlarm"]

    def test_the_key_of_another_bus_is_no_grant(self) -> None:
        assert "trouble" in self.bus(shipped_policy(stack="other"))

    def test_the_statement_of_awss_own_example_is_enough(self) -> None:
        """Account, bus and encryption context in one statement: EventBridge user guide, "Encrypting event buses"."""
        conditions = {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": BUS_ARN, keys.BUS_CONTEXT: BUS_ARN}
        policy = self.allowing("kms:Decrypt", "kms:GenerateDataKey", "kms:ReEncrypt*")
        policy["Statement"][0]["Condition"] = {"StringEquals": conditions}
        policy["Statement"] += self.allowing("kms:DescribeKey")["Statement"]
        dead_letters = {"DeadLetterConfig": {"Arn": "arn:dlq"}}
        assert self.bus(policy, **dead_letters).keys() == {"ok"}
        for key in conditions:
            policy["Statement"][0]["Condition"]["StringEquals"] = {**conditions, key: "another"}
            assert "trouble" in self.bus(policy, **dead_letters)

    def test_the_printed_policy_is_the_documentations_and_keeps_other_statements(self) -> None:
        own = {"Sid": "Own", "Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "kms:*", "Resource": "*"}
        old = {**shipped_policy()["Statement"][1], "Action": "kms:ListGrants"}
        for cure in (by_level(self.keys({"Statement": [own, old]})), self.bus({"Statement": [own, old]})):
            words = shlex.split(cure["trouble"].cure)
            assert words[:5] == ["aws", "kms", "put-key-policy", "--key-id", self.KEY]
            policy = json.loads(words[-1])
            assert policy["Statement"] == [own, *shipped_policy()["Statement"][1:]]
            assert by_level(self.keys(policy)).keys() == {"ok"}

    def test_an_encrypted_bus_without_a_dead_letter_queue(self) -> None:
        finding = self.bus(shipped_policy(), parameters={"DataKeyArn": self.KEY})["warning"]
        assert "no dead-letter queue" in finding.what
        assert finding.cure == f"aws events update-event-bus --name onramp {self.OPTIONS}"

    def test_a_deleted_bus_with_a_customer_key(self) -> None:
        gone: dict[str, Answer] = {
            "describe_event_bus": client_error("events", "describe_event_bus", "ResourceNotFoundException", "no")
        }
        (finding,) = bus.bus(stack(parameters={"DataKeyArn": self.KEY}, events=gone))
        assert finding.cure.startswith(f"aws events create-event-bus --name onramp {self.OPTIONS}")

    def test_a_bus_without_a_customer_key_has_nothing_to_check(self) -> None:
        assert self.bus({}, KmsKeyIdentifier="") == {}

    def test_a_key_of_aws_by_its_arn(self) -> None:
        assert "AWS-managed" in by_level(self.keys({}, manager="AWS"))["trouble"].what


class TestDeadLetters:
    def test_a_queue_without_a_dead_letter_queue(self) -> None:
        def attributes(QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:  # noqa: N803
            letters = QueueUrl.endswith("Dlq")
            kept = "1209600" if letters else "345600"
            return {"Attributes": {"QueueArn": LETTERS if letters else QUEUE, "MessageRetentionPeriod": kept}}

        worker, healer = (
            finding
            for finding in queues.retention(stack(sqs={"get_queue_attributes": attributes}))
            if finding.level is Level.TROUBLE
        )
        assert '\\"maxReceiveCount\\": \\"60\\"' in worker.cure
        assert '\\"maxReceiveCount\\": \\"240\\"' in healer.cure


class TestSecrets:
    def parameter(self, value: str = "sk_live", kind: str = "SecureString") -> dict[str, Answer]:
        return {"get_parameter": {"Parameter": {"Value": value, "Type": kind}}}

    def test_a_provider_that_is_not_used(self) -> None:
        assert by_level(secrets.revenuecat(stack())).keys() == {"ok"}

    def test_an_empty_key(self) -> None:
        assert "is empty" in by_level(secrets.stripe(stack(ssm=self.parameter(" "))))["trouble"].what

    @pytest.mark.parametrize(
        ("status", "level"),
        [(200, "ok"), (401, "trouble"), (403, "trouble"), (404, "warning"), (429, "warning"), (503, "warning")],
    )
    def test_the_answer_of_stripe(self, status: int, level: str) -> None:
        http = Http(status)
        assert by_level(secrets.stripe(stack(http, ssm=self.parameter()))).keys() == {level}
        assert http.urls == ["https://stripe.test/v1/customers?limit=1"], "one read call"

    def test_an_unknown_project_of_revenuecat(self) -> None:
        http = Http(404)
        deployed = stack(http, {"RevenueCatSecretName": "/rc", "RevenueCatProjectId": "a/b"}, ssm=self.parameter())
        assert "RevenueCatProjectId=" in by_level(secrets.revenuecat(deployed))["trouble"].cure
        assert http.urls == ["https://revenuecat.test/v2/projects/a%2Fb/customers?limit=1"]

    def test_a_provider_out_of_reach(self) -> None:
        http = Http(error=urllib3.exceptions.ConnectTimeoutError("sk_live"))
        finding = by_level(secrets.stripe(stack(http, ssm=self.parameter())))["warning"]
        assert "does not answer" in finding.what
        assert "sk_live" not in str(finding)


TWO_ALARMS: dict[str, Any] = {
    "TemplateBody": {"Resources": {"OneAlarm": {"Properties": {}}, "TwoAlarm": {"Properties": {}}}}
}


class TestAlarms:
    ALARM: Mapping[str, Any] = {
        "AlarmName": "one",
        "StateValue": "OK",
        "AlarmActions": ["arn:aws:sns:eu-west-1:1:pager"],
        "ActionsEnabled": True,
    }

    def findings(self, *described: Mapping[str, Any], subscriptions: Answer) -> dict[str, Finding]:
        answers: dict[str, Answer] = {"describe_alarms": {"MetricAlarms": list(described)}}
        deployed = stack(
            parameters={"AlarmTopicArn": "arn:aws:sns:eu-west-1:1:pager"},
            cloudwatch=answers,
            cloudformation={"get_template": TWO_ALARMS},
            sns={"list_subscriptions_by_topic": subscriptions},
        )
        kind = "AWS::CloudWatch::Alarm"
        deployed.resources = {"OneAlarm": Resource(kind, "one"), "TwoAlarm": Resource(kind, "two")}
        return by_level(alarms.alarms(deployed))

    def test_an_alarm_that_was_deleted_by_hand(self) -> None:
        confirmed = {"Subscriptions": [{"SubscriptionArn": "arn:aws:sns:eu-west-1:1:pager:1"}]}
        findings = self.findings(self.ALARM, subscriptions=confirmed)
        assert "TwoAlarm" in findings["trouble"].what

    def test_a_topic_without_a_confirmed_subscription(self) -> None:
        pending = {"Subscriptions": [{"SubscriptionArn": "PendingConfirmation"}]}
        assert "no confirmed subscription" in self.findings(self.ALARM, subscriptions=pending)["warning"].what

    def test_a_topic_that_does_not_exist(self) -> None:
        gone = client_error("sns", "list_subscriptions_by_topic", "NotFound", "no")
        two = {**self.ALARM, "AlarmName": "two"}
        assert "does not exist" in self.findings(self.ALARM, two, subscriptions=gone)["trouble"].what


class TestAlarmSettings:
    """The command that restores an alarm is built from the deployed template."""

    def restored(self) -> dict[str, dict[str, Any]]:
        """The request of each alarm's command."""
        body = load_template(ROOT / "template.yaml")
        names = [name for name, resource in body["Resources"].items() if resource["Type"] == "AWS::CloudWatch::Alarm"]
        topic = {"AlarmTopicArn": "arn:aws:sns:eu-west-1:1:pager", "DataKeyArn": ""}
        deployed = stack(parameters=topic, cloudformation={"get_template": {"TemplateBody": body}})
        deployed.resources = {name: Resource("", f"https://sqs/{name}") for name in body["Resources"]}
        findings = alarm_settings.by_hand(deployed, {}, {f"onramp-{name}": name for name in names})
        return {finding.what.split()[0]: json.loads(shlex.split(finding.cure)[-1]) for finding in findings}

    def test_each_alarm_of_the_template_is_a_valid_request_without_references(self) -> None:
        model = botocore.session.get_session().get_service_model("cloudwatch").operation_model("PutMetricAlarm")
        assert model.input_shape
        for name, request in self.restored().items():
            report = ParamValidator().validate(request, model.input_shape)
            assert not report.has_errors(), f"{name}: {report.generate_report()}"
            assert not re.search(r"Fn::|\bRef\b|AWS::|\$\{", json.dumps(request)), name
            assert request["AlarmActions"] == ["arn:aws:sns:eu-west-1:1:pager"]

    def test_the_names_are_those_of_the_stack(self) -> None:
        restored = self.restored()
        assert restored["ProvisioningDlqAlarm"]["Dimensions"] == [{"Name": "QueueName", "Value": "ProvisioningDlq"}]
        (service,) = restored["PostConfirmationFailuresAlarm"]["Dimensions"]
        assert service["Value"] == "onramp-PostConfirmation"

    def test_defaults_and_the_order_of_metrics_are_no_change(self) -> None:
        wanted = self.restored()["PostConfirmationErrorsAlarm"]
        actual = {**wanted, "ActionsEnabled": True, "Threshold": float(wanted["Threshold"])}
        actual["Metrics"] = [{"ReturnData": True, **metric} for metric in reversed(wanted["Metrics"])]
        assert alarm_settings._has(actual, wanted)
        assert not alarm_settings._has({**actual, "Threshold": 7.0}, wanted)
        assert not alarm_settings._has({**actual, "AlarmActions": []}, wanted)


class TestOneLineForEachCause:
    """The worker gave up on one user: the alarm, the owed record and the dead letter are one cause."""

    ALARM = trouble("PermanentFailureAlarm is in alarm.", "why", "look", Cause.DEAD_LETTERS, symptom=True)
    OWED = trouble("`operator` is owed to 1 user.", "why", "look", Cause.DEAD_LETTERS, symptom=True)
    LETTER = trouble("1 dead letter in ProvisioningDlq.", "the worker gave up.", "onramp dlq list", Cause.DEAD_LETTERS)

    def merged(self, *findings: Finding) -> list[Finding]:
        return [result.finding for result in one_for_each_cause([CheckResult("any", each) for each in findings])]

    def test_symptoms_are_told_in_the_line_of_their_cause(self) -> None:
        (line,) = self.merged(self.ALARM, self.OWED, self.LETTER)
        assert (line.why, line.cure) == (self.LETTER.why, self.LETTER.cure)
        assert line.what == f"{self.LETTER.what} {self.ALARM.what} {self.OWED.what}"

    def test_symptoms_alone_are_one_line(self) -> None:
        fine = ok("fine")
        line, other = self.merged(self.ALARM, fine, self.OWED)
        assert line.what == f"{self.ALARM.what} {self.OWED.what}"
        assert other == fine

    def test_two_causes_stay_two_lines(self) -> None:
        stripe = trouble("Stripe refuses the key.", "why", "cure", Cause.PROVIDER_KEY)
        revenuecat = trouble("RevenueCat refuses the key.", "why", "cure", Cause.PROVIDER_KEY)
        other = trouble("the rule is disabled.", "why", "cure")
        findings = [stripe, revenuecat, other, self.LETTER, trouble("another alarm.", "why", "cure", symptom=True)]
        assert self.merged(*findings) == findings

    def test_every_alarm_of_the_template_has_a_cause_and_every_cause_of_an_alarm_a_cure(self) -> None:
        resources = load_template(ROOT / "template.yaml")["Resources"]
        in_template = {name for name, resource in resources.items() if resource["Type"] == alarms.ALARM}
        assert alarms.CAUSES.keys() == in_template
        assert set(alarms.CAUSES.values()) == {*alarms.CURES, *alarms.LOGS}
        assert {f"{function}Function" for function in alarms.LOGS.values()} < resources.keys()
        groups = [word for cure in alarms.CURES.values() for word in cure.split() if word in CHECKS]
        assert len(groups) == sum(cure.count("--only") for cure in alarms.CURES.values())

    @pytest.mark.parametrize("alarm", alarms.CAUSES)
    def test_every_alarm_is_told_with_its_cure(self, alarm: str) -> None:
        firing = {"AlarmName": "one", "StateValue": "ALARM", "AlarmActions": [], "AlarmDescription": "why"}
        deployed = stack(cloudwatch={"describe_alarms": {"MetricAlarms": [firing]}})
        deployed.resources = {alarm: Resource(alarms.ALARM, "one")}
        with call_options(CallOptions(region="eu-west-1")):
            finding = next(alarms.alarms(deployed))
        assert (finding.cause, finding.symptom) == (alarms.CAUSES[alarm], True)
        program, *options_and_words = shlex.split(finding.cure)
        options, words = options_and_words[:2], options_and_words[2:]
        assert (program in ("onramp", "aws"), options) == (True, ["--region", "eu-west-1"])
        if program == "aws":
            assert words[:2] == ["logs", "tail"]
            assert words[2] == f"/aws/lambda/onramp-{alarms.LOGS[alarms.CAUSES[alarm]]}"

    def test_an_alarm_that_the_doctor_does_not_know_is_told_by_its_name(self) -> None:
        firing = {"AlarmName": "mine", "StateValue": "ALARM", "AlarmActions": []}
        deployed = stack(cloudwatch={"describe_alarms": {"MetricAlarms": [firing]}})
        deployed.resources = {"MyAlarm": Resource(alarms.ALARM, "mine")}
        finding = next(alarms.alarms(deployed))
        assert finding.cure == "aws cloudwatch describe-alarms --alarm-names mine"

    def test_an_alarm_is_told_in_the_line_of_the_check_that_found_its_fault(self) -> None:
        mapping = {"UUID": "1", "State": "Disabled"}
        answers = {"list_event_source_mappings": {"EventSourceMappings": [mapping]}}
        sqs = {"get_queue_attributes": {"Attributes": {"QueueArn": QUEUE}}}
        worker, _ = consumers.event_sources(stack(lambda_=answers, sqs=sqs))
        alarm = trouble("ProvisioningQueueAgeAlarm is in alarm.", "why", "look", Cause.UNREAD, symptom=True)
        (line,) = self.merged(alarm, worker)
        assert line.cure == "aws lambda update-event-source-mapping --uuid 1 --enabled"
        assert line.what.endswith("ProvisioningQueueAgeAlarm is in alarm.")


class TestALocalStack:
    """Its settings are made for a laptop, and no deployment changes them."""

    def test_a_short_visibility_timeout_is_meant(self) -> None:
        configuration = {"get_function_configuration": {"Timeout": 5}}
        attributes = {"get_queue_attributes": {"Attributes": {"VisibilityTimeout": "29"}}}
        deployed = stack(lambda_=configuration, sqs=attributes)
        assert [finding.level for finding in consumers.visibility_timeouts(deployed)] == [Level.WARNING] * 2
        deployed.is_local = True
        assert [finding.level for finding in consumers.visibility_timeouts(deployed)] == [Level.OK] * 2

    def test_alarms_without_a_topic_are_meant(self) -> None:
        alarm = {"AlarmName": "one", "StateValue": "OK", "AlarmActions": [], "ActionsEnabled": True}
        described: dict[str, Answer] = {"describe_alarms": {"MetricAlarms": [alarm]}}
        deployed = stack(cloudwatch=described, cloudformation={"get_template": TWO_ALARMS})
        deployed.resources = {"OneAlarm": Resource("AWS::CloudWatch::Alarm", "one")}
        assert by_level(alarms.alarms(deployed)).keys() == {"warning", "ok"}
        deployed.is_local = True
        assert by_level(alarms.alarms(deployed)).keys() == {"ok"}

    def test_the_cure_is_no_deployment_to_an_account(self) -> None:
        deployed = stack()
        deployed.is_local = True
        assert deployed.deploy_command(LogLevel="DEBUG").startswith("onramp local up  (")


class TestReconciler:
    def last_run(self, deployed: str, *points: tuple[int, float]) -> Finding:
        times = [datetime.fromtimestamp((NOW - minutes * 60_000) / 1000, UTC) for minutes, _ in points]
        result = {"Id": "m0", "Timestamps": times, "Values": [value for _, value in points]}
        answers = {"get_metric_data": {"MetricDataResults": [result]}}
        configuration = {"get_function_configuration": {"LastModified": deployed}}
        (finding,) = reconciler.last_run(stack(cloudwatch=answers, lambda_=configuration))
        return finding

    def test_the_age_of_the_last_run(self) -> None:
        long_ago = "2026-01-01T00:00:00.000+0000"
        assert self.last_run(long_ago, (4, 1.0), (9, 1.0)).what.endswith("a run 4 min ago.")
        assert self.last_run(long_ago, (20, 1.0)).level is Level.TROUBLE
        assert "three hours" in self.last_run(long_ago, (5, 0.0)).what
        assert "three hours" in self.last_run(long_ago).what

    def test_a_stack_that_was_deployed_less_than_15_minutes_ago(self) -> None:
        assert self.last_run("2026-09-21T14:10:00.000+0000").level is Level.OK


class TestCures:
    """A printed command writes what template.yaml has, and keeps what others added."""

    def test_the_policy_of_a_queue_is_the_templates_and_keeps_other_statements(self) -> None:
        added = {"Sid": "Metrics", "Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sqs:GetQueueAttributes"}
        wide = {"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": QUEUE}
        for statements, kept in (([], []), ([wide, added], [added])):
            attributes = {"QueueArn": QUEUE, "Policy": json.dumps({"Statement": statements})}
            rule = {
                "LogicalResourceId": "UserSignedUpRule",
                "ResourceType": "AWS::Events::Rule",
                "PhysicalResourceId": "onramp|rule",
            }
            deployed = stack(
                sqs={"get_queue_attributes": {"Attributes": attributes}},
                cloudformation={"list_stack_resources": {"StackResourceSummaries": [rule]}},
            )
            first = next(queue_access.policies(deployed))
            policy = json.loads(json.loads(shlex.split(first.cure)[-1])["Policy"])
            assert policy["Statement"] == [*_in_the_template()[:1], *kept, *_in_the_template()[1:]]

    @pytest.mark.parametrize(
        ("deployed", "cure"), [("360", "aws sqs set-queue-attributes "), ("30", "VisibilityTimeoutSeconds=360")]
    )
    def test_a_visibility_timeout_is_deployed_only_where_the_stacks_is_too_short(
        self, deployed: str, cure: str
    ) -> None:
        """A deployment of the value that the stack has already changes nothing."""
        findings = consumers.visibility_timeouts(
            stack(
                parameters={"VisibilityTimeoutSeconds": deployed},
                lambda_={"get_function_configuration": {"Timeout": 60}},
                sqs={"get_queue_attributes": {"Attributes": {"VisibilityTimeout": "30"}}},
            )
        )
        for finding, queue in zip(findings, ("Provisioning", "SignupHeal"), strict=True):
            assert cure in finding.cure
            assert "make deploy" in finding.cure or f"--queue-url https://sqs/{queue} " in finding.cure

    def test_a_function_gets_back_the_concurrency_that_the_stack_reserves(self) -> None:
        answers: dict[str, Answer] = {
            "get_function_concurrency": {"ReservedConcurrentExecutions": 0},
            "get_alias": {"AliasArn": ALIAS},
        }
        deployed = stack(parameters={"EnrichReservedConcurrency": "7"}, lambda_=answers)
        cures = [finding.cure for finding in functions.concurrency(deployed)]
        assert cures[1].startswith("aws lambda put-function-concurrency --function-name onramp-EnrichProfile ")
        assert cures[1].endswith(" --reserved-concurrent-executions 7")
        assert all("delete-function-concurrency" in cure for cure in (cures[0], cures[2]))

    def test_a_queue_gets_back_the_stacks_own_key(self) -> None:
        attributes = {"get_queue_attributes": {"Attributes": {"KmsMasterKeyId": "alias/aws/sqs"}}}
        own = {"DataKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/own"}
        (finding, *_) = queue_access.encryption(stack(parameters=own, sqs=attributes))
        assert json.loads(shlex.split(finding.cure)[-1]) == {"KmsMasterKeyId": own["DataKeyArn"]}

    def test_a_secret_keeps_its_key(self) -> None:
        ssm: dict[str, Answer] = {
            "get_parameter": {"Parameter": {"Type": "SecureString", "Value": "sk"}},
            "describe_parameters": {"Parameters": [{"Name": "/stripe", "KeyId": "alias/own"}]},
        }
        (finding,) = secrets.stripe(stack(Http(status=401), ssm=ssm))
        assert finding.cure.endswith("--overwrite --value KEY --key-id alias/own")


def _in_the_template() -> list[dict[str, Any]]:
    """The statements of ProvisioningQueuePolicy, with the values of this stack."""
    resource = load_template(ROOT / "template.yaml")["Resources"]["ProvisioningQueuePolicy"]
    text = json.dumps(resource["Properties"]["PolicyDocument"]["Statement"])
    for reference, value in {
        '{"Fn::GetAtt": ["ProvisioningQueue", "Arn"]}': QUEUE,
        '{"Fn::GetAtt": "ProvisioningQueue.Arn"}': QUEUE,
        '{"Fn::GetAtt": ["UserSignedUpRule", "Arn"]}': f"arn:aws:events:eu-west-1:{ACCOUNT}:rule/onramp/rule",
        '{"Fn::GetAtt": "UserSignedUpRule.Arn"}': f"arn:aws:events:eu-west-1:{ACCOUNT}:rule/onramp/rule",
        '{"Ref": "AWS::AccountId"}': ACCOUNT,
    }.items():
        text = text.replace(reference, json.dumps(value))
    statements: list[dict[str, Any]] = json.loads(text)
    return statements
