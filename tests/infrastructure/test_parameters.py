"""A value that the template accepts is a value that the code accepts: a refused setting stops every signup."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onramp.domain.trust import TrustPolicy
from onramp.settings import SignupSettings, pool_ids
from onramp.worker_settings import EnrichSettings, ReconcileSettings
from tests.infrastructure.translation import FUNCTIONS, Translation, walk, with_defaults

READERS: dict[str, Callable[[Mapping[str, str]], object]] = {
    "PostConfirmationFunction": SignupSettings.read,
    "EnrichProfileFunction": EnrichSettings.read,
    "HealSignupFunction": SignupSettings.read,
    "ReconcileFunction": lambda env: (SignupSettings.read(env), ReconcileSettings.read(env)),
}
LISTS = ("CommaDelimitedList",)
TEMPLATE = with_defaults()
PRINTABLE = st.characters(min_codepoint=32, max_codepoint=126)
UNREAD = {"LogLevel", "Revision"}  # Powertools reads the level; the revision is only logged
LONE = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))

REFUSED = {
    "TrustedIdentityProviders": [
        "Okta",
        "Okta@",
        "@example.com",
        "Okta@example.com,Entra",
        "Okta@example.com, Entra@*",
        "eu-west-1_Ab12Cd34/@example.com",
        "eu-west-1_Ab12Cd34/Okta",
        "eu-west-1/Okta@example.com",  # no pool id: it would trust a provider named "eu-west-1/Okta"
        "Okta@example",
        "Okta@*.example.com",
        "Okta@example.com,",
        " @example.com",
        "\x1f@example.com",  # the code strips it: no name is left
    ],
    "AdditionalUserPoolArns": ["eu-west-1_Ab12Cd34", "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/"],
    "ExistingUserPoolId": ["Ab12Cd34", "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_Ab12Cd34"],
    "AllowedRoles": ["", "admin,", "admin,team member"],
    "DefaultRole": ["", "team member", "admin,manager"],
    "StripeSecretName": ["onramp/stripe", "/onramp/stripe key"],
    "RevenueCatSecretName": ["onramp/revenuecat"],
    "StripeBaseUrl": ["", "api.stripe.com", "http://api.stripe.com", "https://api.stripe.com/", "https://"],
    "RevenueCatBaseUrl": ["", "http://api.revenuecat.com"],
    "RevenueCatProjectId": ["proj/1"],
    "EmitDueAfterSeconds": ["", "0", "1.5", "-1", "5 minutes", "1e3"],
    "EnrichDueAfterSeconds": ["0", "1.5"],
    "SweepPages": ["0", "1.5"],
    "SweepMaxRequestsPerSecond": ["0", "1.5", "31"],
    "SweepGraceSeconds": ["-1", "0.5"],
    "ReconcileMost": ["0", "1.5"],
    "MaxReceiveCount": ["0", "1001", "4.5"],
    "TriggerProvisionedConcurrency": ["0", "1.5", "10000"],
    "EnrichMaximumConcurrency": ["1", "1001", "2.5"],
    "RetryBackoffBaseSeconds": ["0", "-15"],
    "StripeRequestsPerSecond": ["0", "0.5", "NaN", "many"],
    "RevenueCatRequestsPerMinute": ["0", "-400", "Infinity"],
    "ReconcileSchedule": [
        "rate(1 hour)",
        "rate(15 minutes)",
        "rate(1 minutes)",
        "cron(0 * * * ? *)",
        "rate(0 minutes)",
    ],
    "DataKeyArn": ["alias/onramp", "arn:aws:kms:eu-west-1:123456789012:alias/onramp"],
    "SecretsKeyArn": ["alias/onramp"],
    "SesIdentityArn": ["example.com"],
    "SesFromAddress": ["example.com"],
    "AlarmTopicArn": ["onramp-alarms"],
}


def accepts(declared: Mapping[str, Any], value: str) -> bool:
    """As CloudFormation: the pattern matches the whole value, or each value of a list."""
    values = [part.strip() for part in value.split(",")] if declared["Type"] in LISTS else [value]
    return all(re.fullmatch(declared["AllowedPattern"], one, re.ASCII) for one in values)


def parameters_of(template: Translation, function: str) -> Iterator[tuple[str, str]]:
    """Each parameter that reaches the function's environment, and the variable."""
    for variable, given_value in template.environment(function).items():
        for node in walk(given_value):
            if node.get("Ref") in template.parameters:
                yield node["Ref"], variable


def environment(template: Translation, function: str, name: str, value: str) -> dict[str, str]:
    """The function's variables with the defaults, and `value` for the parameter `name`."""
    variables = {}
    for variable, given_value in template.environment(function).items():
        refs = [node["Ref"] for node in walk(given_value) if node.get("Ref") in template.parameters]
        if isinstance(given_value, str):
            variables[variable] = given_value
        elif name in refs and (value or refs == [name]):
            variables[variable] = value
        else:  # the name of a resource, or the created pool
            variables[variable] = str(template.default(refs[0])) if len(refs) == 1 else "eu-west-1_Created1"
    if name == "RevenueCatSecretName":
        variables["REVENUECAT_PROJECT_ID"] = "proj1"  # a rule of the template demands it
    if name in ("AllowedRoles", "DefaultRole"):  # the same: the role is one of the list
        variables |= {"ALLOWED_ROLES": value, "DEFAULT_ROLE": value.rpartition(",")[2]}
    return variables


def patterns(template: Translation) -> list[str]:
    return sorted(name for name, declared in template.parameters.items() if "AllowedPattern" in declared)


READ = sorted({
    (name, function)
    for function in FUNCTIONS
    for name, _ in parameters_of(TEMPLATE, function)
    if name not in UNREAD
})  # fmt: skip


@pytest.mark.parametrize(("name", "function"), READ)
def test_a_parameter_that_code_reads_has_a_constraint(template: Translation, name: str, function: str) -> None:
    declared = template.parameters[name]
    assert "AllowedValues" in declared or "AllowedPattern" in declared
    assert declared["Type"] != "Number", "CloudFormation ignores AllowedPattern on a Number, and 1.5 is one"


@pytest.mark.parametrize(
    ("name", "function"), [read for read in READ if "AllowedPattern" in TEMPLATE.parameters[read[0]]]
)
def test_each_value_that_the_template_accepts_is_accepted_by_the_code(
    template: Translation, name: str, function: str
) -> None:
    declared = template.parameters[name]

    @LONE
    @given(st.from_regex(re.compile(declared["AllowedPattern"], re.ASCII), fullmatch=True, alphabet=PRINTABLE))
    def check(value: str) -> None:
        READERS[function](environment(template, function, name, value))

    check()
    READERS[function](environment(template, function, name, str(declared["Default"])))


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in REFUSED.items() for value in values])
def test_a_typo_is_refused_before_anything_is_deployed(template: Translation, name: str, value: str) -> None:
    assert not accepts(template.parameters[name], value)


def test_every_pattern_has_a_typo_here_and_says_what_it_wants(template: Translation) -> None:
    assert set(patterns(template)) - set(REFUSED) == {"Environment", "Runtime", "Revision"}
    assert not [name for name in patterns(template) if "ConstraintDescription" not in template.parameters[name]]


def test_every_default_matches_its_pattern(template: Translation) -> None:
    assert [
        name for name in patterns(template) if not accepts(template.parameters[name], str(template.default(name)))
    ] == []


@pytest.mark.parametrize(
    "trusted",
    ["", "Okta@*", "Microsoft365@example.com,Okta@*", "eu-west-1_Ab12Cd34/Okta@example.co.uk", "us-gov-west-1_Ab1/A@*"],
)
def test_trusted_providers_of_the_documentation_are_accepted(template: Translation, trusted: str) -> None:
    assert accepts(template.parameters["TrustedIdentityProviders"], trusted)
    assert len(TrustPolicy.parse(trusted, allow_unverified=False).trusted) == len(trusted.split(",")) * bool(trusted)


@LONE
@given(st.data())
def test_an_additional_pool_is_read_by_its_id(data: st.DataObject) -> None:
    pattern = TEMPLATE.parameters["AdditionalUserPoolArns"]["AllowedPattern"]
    arn = data.draw(st.from_regex(re.compile(pattern, re.ASCII), fullmatch=True, alphabet=PRINTABLE))
    assert pool_ids(arn) == ([arn.rpartition("/")[2]] if arn else [])


def test_a_message_returns_only_after_its_worker_has_ended(template: Translation) -> None:
    declared = template.parameters["VisibilityTimeoutSeconds"]
    assert (declared["Type"], declared["MinValue"]) == ("Number", template["EnrichProfileFunction"]["Timeout"])


def test_a_run_falls_into_every_period_of_its_alarm(template: Translation) -> None:
    alarm, schedule = template["ReconcileMissingAlarm"], template.parameters["ReconcileSchedule"]
    minutes = alarm["Period"] * alarm["EvaluationPeriods"] // 60
    slowest = max(every for every in range(2, 61) if accepts(schedule, f"rate({every} minutes)"))
    assert slowest < minutes


RULES = {
    "HealOnSignInNeedsReservedConcurrency": ("HealOnSignIn", "true", "PostConfirmationReservedConcurrency", "0"),
    "RevenueCatNeedsItsProject": ("RevenueCatSecretName", "", "RevenueCatProjectId", ""),
    "SesNeedsAnAddress": ("SesIdentityArn", "", "SesFromAddress", ""),
}


@pytest.mark.parametrize("name", RULES)
def test_a_parameter_that_needs_another_one_is_refused_without_it(template: Translation, name: str) -> None:
    parameter, value, needed, missing = RULES[name]
    rule = template.body["Rules"][name]
    is_set = {"Fn::Equals": [{"Ref": parameter}, value]}
    assert rule["RuleCondition"] == (is_set if value else {"Fn::Not": [is_set]})
    (assertion,) = rule["Assertions"]
    assert assertion["Assert"] == {"Fn::Not": [{"Fn::Equals": [{"Ref": needed}, missing]}]}
    assert needed in assertion["AssertDescription"]


def test_a_default_role_that_is_not_allowed_is_refused(template: Translation) -> None:
    (assertion,) = template.body["Rules"]["DefaultRoleIsAllowed"]["Assertions"]
    assert assertion["Assert"] == {"Fn::Contains": [{"Ref": "AllowedRoles"}, {"Ref": "DefaultRole"}]}
    assert template.parameters["AllowedRoles"]["Type"] in LISTS, "Fn::Contains needs a list"
    assert template.default("DefaultRole") in template.default("AllowedRoles").split(",")


def test_there_are_no_other_rules(template: Translation) -> None:
    assert set(template.body["Rules"]) == {*RULES, "DefaultRoleIsAllowed", "SnapStartNeedsItsRuntime"}
