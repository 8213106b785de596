"""The functions and the event source mapping of the worker."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.infrastructure.translation import CHECK, FUNCTIONS, NO_VALUE, ROOT, Translation, attribute, if_else, ref

VERSION = "AWS::Lambda::Version"


def test_the_trigger_takes_no_longer_than_cognito_waits(template: Translation) -> None:
    assert template["PostConfirmationFunction"]["Timeout"] == 5


def test_a_batch_becomes_visible_again_only_after_its_worker_has_ended(template: Translation) -> None:
    assert template["ProvisioningQueue"]["VisibilityTimeout"] == ref("VisibilityTimeoutSeconds")
    assert template["SignupHealQueue"]["VisibilityTimeout"] == ref("VisibilityTimeoutSeconds")
    for function in ("EnrichProfileFunction", "HealSignupFunction"):
        assert template.default("VisibilityTimeoutSeconds") >= 6 * template[function]["Timeout"]


def test_the_mapping_invokes_the_alias_and_accepts_partial_failures(template: Translation) -> None:
    mappings = template.of_type("AWS::Lambda::EventSourceMapping").values()
    sources = {mapping["FunctionName"]["Ref"].removesuffix("FunctionAliaslive"): mapping for mapping in mappings}
    limits = {"EnrichProfile": ref("EnrichMaximumConcurrency"), "HealSignup": 2}
    queues = {"EnrichProfile": "ProvisioningQueue", "HealSignup": "SignupHealQueue"}
    assert sources == {
        function: {
            "EventSourceArn": attribute(queue),
            "FunctionName": ref(f"{function}FunctionAliaslive"),
            "BatchSize": 10,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "ScalingConfig": {"MaximumConcurrency": limits[function]},
        }
        for function, queue in queues.items()
    }
    assert not re.fullmatch(template.parameters["EnrichMaximumConcurrency"]["AllowedPattern"], "1")  # Lambda's minimum


def test_the_worker_divides_the_rates_by_the_concurrency_of_its_mapping(template: Translation) -> None:
    assert template.environment("EnrichProfileFunction")["MAXIMUM_CONCURRENCY"] == ref("EnrichMaximumConcurrency")


@pytest.mark.parametrize("function", ["PostConfirmationFunction", "HealSignupFunction", "ReconcileFunction"])
def test_the_accepted_pools_are_the_created_or_existing_one_and_the_additional_ones(
    template: Translation, function: str
) -> None:
    separator, pools = template.environment(function)["USER_POOL_IDS"]["Fn::Join"]
    assert separator == ","
    assert pools == [
        {"Fn::If": ["CreatesUserPool", ref("UserPool"), ref("ExistingUserPoolId")]},
        {"Fn::If": ["HasMoreUserPools", {"Fn::Join": [",", ref("AdditionalUserPoolArns")]}, ref("AWS::NoValue")]},
    ]


def test_the_reconciler_runs_on_a_schedule_without_retries(template: Translation) -> None:
    (rule,) = (rule for rule in template.of_type("AWS::Events::Rule").values() if "ScheduleExpression" in rule)
    (target,) = rule["Targets"]
    assert rule["ScheduleExpression"] == ref("ReconcileSchedule")
    assert target["Arn"] == ref("ReconcileFunctionAliaslive")
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 0}
    (asynchronous,) = template.of_type("AWS::Lambda::EventInvokeConfig").values()
    assert asynchronous["MaximumRetryAttempts"] == 0
    assert template["ReconcileFunction"]["Timeout"] < 300


def test_the_pace_of_the_sweep_is_a_parameter(template: Translation) -> None:
    rate, quota = template.environment("ReconcileFunction")["SWEEP_MAX_REQUESTS_PER_SECOND"], 30
    assert rate == ref("SweepMaxRequestsPerSecond")
    assert int(template.default("SweepMaxRequestsPerSecond")) <= quota / 5


def test_a_sign_in_heals_only_with_a_parameter(template: Translation) -> None:
    triggers = template["UserPool"]["LambdaConfig"]
    assert triggers["PostAuthentication"] == if_else("HealsOnSignIn", triggers["PostConfirmation"], NO_VALUE)
    assert template.default("HealOnSignIn") == "false"


@pytest.mark.parametrize("function", FUNCTIONS)
class TestEveryFunction:
    def test_runs_its_own_folder_on_the_chosen_target(self, template: Translation, function: str) -> None:
        properties = template[function]
        assert properties["Handler"] == f"functions.{FUNCTIONS[function]}.handler.handler"
        assert (ROOT / "functions" / FUNCTIONS[function] / "handler.py").is_file()
        assert properties["Runtime"] == ref("Runtime")
        assert properties["Architectures"] == [ref("Architecture")]
        assert (template.default("Runtime"), template.default("Architecture")) == ("python3.13", "arm64")

    def test_is_traced_by_the_platform_only_with_a_parameter(self, template: Translation, function: str) -> None:
        """docs/cost.md: up to one signup a second, each is a trace."""
        assert template[function]["TracingConfig"] == {"Mode": ref("Tracing")}
        assert template.default("Tracing") == "PassThrough"
        assert template.parameters["Tracing"]["AllowedValues"] == ["PassThrough", "Active"]

    def test_writes_to_a_log_group_with_bounded_retention(self, template: Translation, function: str) -> None:
        group = f"{function.removesuffix('Function')}LogGroup"
        assert template[function]["LoggingConfig"]["LogGroup"] == ref(group)
        assert template[group]["RetentionInDays"] == ref("LogRetentionDays")

    def test_gets_names_of_secrets_and_never_a_secret(self, template: Translation, function: str) -> None:
        secrets = {key for key in template.environment(function) if "SECRET" in key or "KEY" in key}
        assert all(key.endswith("_SECRET_NAME") for key in secrets)
        assert not [name for name, declared in template.parameters.items() if "NoEcho" in declared]
        assert "{{resolve:" not in str(template.body)

    def test_is_built_by_the_recipe_that_make_build_uses(self, template: Translation, function: str) -> None:
        source = template.sam["Resources"][function]
        assert source["Metadata"]["BuildMethod"] == "makefile"
        recipes = (ROOT / "scripts" / "build.mk").read_text()
        assert f"\nbuild-{function}: setup\n\t@$(call artifact,{FUNCTIONS[function]},{function})\n" in recipes

    def test_a_new_revision_is_a_new_version_behind_the_alias(self, template: Translation, function: str) -> None:
        first, second = Translation(Revision="0123456789-a1b2c3d"), Translation(Revision="9876543210-a1b2c3d")
        published = [version_behind(translation, function) for translation in (first, second, template)]
        assert len(set(published)) == 3
        assert published[0] == f"{function}Version0123456789"  # SAM uses the first ten characters

    def test_without_a_revision_sam_looks_at_the_code(self, template: Translation, function: str) -> None:
        assert template.default("Revision") == ""
        assert version_behind(Translation(LogLevel="DEBUG"), function) == version_behind(template, function)

    def test_knows_its_code_version(self, template: Translation, function: str) -> None:
        version = template.environment(function)["CODE_VERSION"]
        assert version == {"Fn::If": ["HasRevision", ref("Revision"), "unreleased"]}


def version_behind(template: Translation, function: str) -> str:
    """The logical id of the version to which the alias `live` points."""
    alias = template[f"{function}Aliaslive"]
    assert alias["Name"] == "live"
    version, of = alias["FunctionVersion"]["Fn::GetAtt"]
    assert template.resources[version]["Type"] == VERSION
    assert (template[version]["FunctionName"], of) == (ref(function), "Version")
    return str(version)


def test_there_are_no_other_functions(template: Translation) -> None:
    assert set(template.of_type("AWS::Lambda::Function")) == {*FUNCTIONS, CHECK}


def test_every_environment_of_sam_builds_in_the_source_folder() -> None:
    environments = tomllib.loads((ROOT / "samconfig.toml").read_text())
    assert set(environments) - {"version"} == {"default", "dev", "prod"}
    for name in set(environments) - {"version"}:
        assert environments[name]["build"]["parameters"]["build_in_source"] is True


def test_sam_and_make_build_for_the_target_that_the_template_names(template: Translation) -> None:
    recipes = (ROOT / "scripts" / "build.mk").read_text()
    assert f"\nARCHITECTURE ?= {template.default('Architecture')}\n" in recipes
    assert f"\nRUNTIME ?= {template.default('Runtime')}\n" in recipes
