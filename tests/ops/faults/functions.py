"""Faults of the functions."""

from __future__ import annotations

from tests.ops.faults.planting import Fault, Planting, Undo


class FunctionFaults(Planting):
    def changed_trigger_settings(self) -> Undo:
        lambdas = self.client("lambda")
        before = lambdas.get_function_configuration(FunctionName=self.trigger)["Environment"]
        changed = {"Variables": {**before["Variables"], "ALLOW_UNVERIFIED_SIGNUPS": "true"}}
        lambdas.update_function_configuration(FunctionName=self.trigger, Environment=changed, Timeout=9)
        return lambda: None

    def settings_that_run(self) -> Undo:
        """A version published by hand, with the alias moved to it."""
        lambdas = self.client("lambda")
        version = lambdas.get_alias(FunctionName=self.trigger, Name="live")["FunctionVersion"]
        before = lambdas.get_function_configuration(FunctionName=self.trigger)["Environment"]
        changed = {"Variables": {**before["Variables"], "ALLOW_UNVERIFIED_SIGNUPS": "true"}}
        lambdas.update_function_configuration(FunctionName=self.trigger, Environment=changed)
        published = lambdas.publish_version(FunctionName=self.trigger)["Version"]
        lambdas.update_alias(FunctionName=self.trigger, Name="live", FunctionVersion=published)

        def undo() -> None:
            lambdas.update_function_configuration(FunctionName=self.trigger, Environment=before)
            lambdas.update_alias(FunctionName=self.trigger, Name="live", FunctionVersion=version)

        return undo

    def trigger_without_concurrency(self) -> Undo:
        self.client("lambda").put_function_concurrency(FunctionName=self.trigger, ReservedConcurrentExecutions=0)
        return lambda: None

    def worker_without_concurrency(self) -> Undo:
        self.client("lambda").put_function_concurrency(FunctionName=self.worker, ReservedConcurrentExecutions=0)
        return lambda: None

    def healer_without_concurrency(self) -> Undo:
        self.client("lambda").put_function_concurrency(FunctionName=self.healer, ReservedConcurrentExecutions=0)
        return lambda: None

    def unfinished_gradual_deployment(self) -> Undo:
        lambdas = self.client("lambda")
        version = lambdas.get_alias(FunctionName=self.worker, Name="live")["FunctionVersion"]
        weights = {"AdditionalVersionWeights": {version: 0.1}}
        lambdas.update_alias(FunctionName=self.worker, Name="live", RoutingConfig=weights)
        return lambda: None


FAULTS = [
    Fault(
        FunctionFaults.changed_trigger_settings,
        "functions",
        "trouble",
        "ALLOW_UNVERIFIED",
        "update-function-configurat",
    ),
    Fault(FunctionFaults.settings_that_run, "functions", "trouble", "ALLOW_UNVERIFIED", "LogLevel=INFO", runs=False),
    Fault(
        FunctionFaults.trigger_without_concurrency, "functions", "trouble", "switched off", "put-function-concurrency"
    ),
    Fault(
        FunctionFaults.worker_without_concurrency, "functions", "trouble", "switched off", "delete-function-concurrency"
    ),
    Fault(
        FunctionFaults.healer_without_concurrency,
        "functions",
        "trouble",
        "the healer is sw",
        "delete-function-concurrency",
    ),
    Fault(
        FunctionFaults.unfinished_gradual_deployment, "functions", "warning", "goes to version", "aws lambda update-ali"
    ),
]
