"""In-memory AWS at the level of the boto3 client: the real adapters run over it with their real expressions.

README.md says what is modelled, what is refused, and which contract tests compare the fakes with moto and the emulator.
"""

from tests.fakes.client import FakeClient, VirtualClock
from tests.fakes.cognito import FakeCognito
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.eventbridge import FakeEventBridge
from tests.fakes.faults import Faulty, ProcessKilled, Site, SiteLog, faults_for
from tests.fakes.lambda_policies import FakeLambda
from tests.fakes.queues import QueueSpec
from tests.fakes.sqs import FakeSqs
from tests.fakes.ssm import FakeSsm
from tests.fakes.tables import IndexSpec, TableSpec

__all__ = [
    "FakeClient",
    "FakeCognito",
    "FakeDynamoDB",
    "FakeEventBridge",
    "FakeLambda",
    "FakeSqs",
    "FakeSsm",
    "Faulty",
    "IndexSpec",
    "ProcessKilled",
    "QueueSpec",
    "Site",
    "SiteLog",
    "TableSpec",
    "VirtualClock",
    "faults_for",
]
