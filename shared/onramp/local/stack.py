"""LocalStack: the whole pipeline on this machine, as a context manager.

with LocalStack.start() as stack:
    stack.client("cognito-idp").sign_up(ClientId=stack.outputs["UserPoolClientId"], ...)
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from botocore.config import Config

import onramp
from onramp.local.deploy import deploy
from onramp.local.errors import NotInCloneError
from onramp.local.gateway.app import FAKES
from onramp.local.gateway.aws import ACCESS_KEY
from onramp.local.gateway.client import GatewayControl
from onramp.local.parameters import REGION
from onramp.local.process import ServerProcess
from onramp.local.sessions import local_session

if TYPE_CHECKING:
    from types import TracebackType

    import boto3
    from mypy_boto3_logs import CloudWatchLogsClient

ROOT = Path(onramp.__file__).resolve().parents[2]
_PLATFORM_LINES = ("START RequestId: ", "END RequestId: ", "REPORT RequestId: ")


class LocalStack:
    """A running, deployed stack. `LocalStack.start` creates it; `stop` or the end of the `with` block ends it."""

    def __init__(self, server: ServerProcess, region: str, fakes: Mapping[str, str | None]) -> None:
        self.endpoint = server.endpoint
        self.region = region
        self.fakes = {name: url or f"{self.endpoint}{FAKES}{name}" for name, url in fakes.items()}
        self.outputs: dict[str, str] = {}
        self.control = GatewayControl(self.endpoint)
        self.server = server
        self._clients: dict[str, Any] = {}

    @classmethod
    def start(
        cls,
        port: int = 0,
        *,
        enforce_iam: bool = False,
        stripe_url: str | None = None,
        revenuecat_url: str | None = None,
        parameters: Mapping[str, str] | None = None,
        template: Path = ROOT / "template.yaml",
    ) -> LocalStack:
        """Port 0 = any free port. `parameters` override those of parameters.py. Raises LocalStackError."""
        if not template.is_file() or not find_spec("ministack"):
            raise NotInCloneError
        server = ServerProcess.start(port, REGION, enforce_iam=enforce_iam)
        stack = cls(server, REGION, {"stripe": stripe_url, "revenuecat": revenuecat_url})
        try:
            stack.outputs = deploy(stack, template, parameters)
        except BaseException:
            stack.stop()
            raise
        return stack

    def stop(self) -> None:
        """Ends every process of the stack. A second call does nothing."""
        for client in self._clients.values():
            client.close()
        self.server.stop()

    def wait(self) -> None:
        """Blocks while the server runs. Raises ServerFailedError when it ends by itself."""
        self.server.wait()

    def session(self) -> boto3.Session:
        """Credentials and region; the endpoint must be passed to each client, or set in AWS_ENDPOINT_URL."""
        return local_session(self.region)

    def client(self, service: str) -> Any:
        """The boto3 client of a service on this stack; one instance for each service."""
        if service not in self._clients:
            # One attempt: a retry would hide an injected fault from a test. No proxy: the server is local.
            config = Config(connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 1}, proxies={})
            self._clients[service] = self.session().client(
                service,
                endpoint_url=self.endpoint,
                config=config,  # type: ignore[call-overload]
            )
        return self._clients[service]

    def logs(self) -> list[str]:
        """Every line that the functions wrote, oldest first within each log stream, without the platform's lines.

        The emulator puts their stdout and stderr into CloudWatch Logs.
        """
        logs: CloudWatchLogsClient = self.client("logs")
        groups = logs.get_paginator("describe_log_groups").paginate().search("logGroups[].logGroupName")
        events = logs.get_paginator("filter_log_events")
        return [
            message
            for group in groups
            for message in events.paginate(logGroupName=group).search("events[].message")
            if not message.startswith(_PLATFORM_LINES)
        ]

    def environment(self) -> dict[str, str]:
        """The environment variables with which any AWS client uses this stack."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
