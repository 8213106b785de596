"""List prices of AWS in US dollars, without free tiers and discounts, and what no test can measure.

Region us-east-1, November 2026, arm64. Before each group: the page that has it. Lambda and KMS were compared with
public copies of these pages, DynamoDB, custom events, X-Ray and SnapStart with what others write of them. The others
were not compared, and none with the bill of an account.
"""

from __future__ import annotations

REGION, DATE = "us-east-1", "November 2026"
MILLION = 1e6
GB = 1024**3
MONTH_SECONDS = 30 * 86_400

# AWS Lambda Pricing
LAMBDA_REQUEST = 0.20 / MILLION
LAMBDA_GB_SECOND = 0.0000133334
PROVISIONED_GB_SECOND = 0.0000033334
PROVISIONED_DURATION_GB_SECOND = 0.0000077778
SNAPSHOT_GB_SECOND = 0.0000015046
SNAPSHOT_RESTORED_GB = 0.0001397998
# Amazon DynamoDB Pricing for On-Demand Capacity; the unit of provisioned capacity is on the page of that name
WRITE_UNIT = 0.625 / MILLION
READ_UNIT = 0.125 / MILLION
PROVISIONED_WRITE_UNIT_HOUR = 0.00065
TABLE_GB_MONTH = 0.25
BACKUP_GB_MONTH = 0.20
# Amazon EventBridge Pricing
CUSTOM_EVENT = 1.00 / MILLION
ARCHIVED_GB = 0.10
ARCHIVE_GB_MONTH = 0.023
# Amazon SQS Pricing
SQS_REQUEST = 0.40 / MILLION
# Amazon CloudWatch Pricing: logs, custom metrics, alarms
LOG_GB = 0.50
LOG_GB_MONTH = 0.03
METRIC_MONTH = 0.30
ALARM_METRIC_MONTH = 0.10
# AWS X-Ray Pricing
TRACE = 5.00 / MILLION
# AWS Key Management Service Pricing
KMS_REQUEST = 0.03 / 10_000
# Amazon EC2 On-Demand Pricing, data transfer out to the internet
OUTBOUND_GB = 0.09

# Not measured: durations on AWS. `aws cloudwatch get-metric-statistics --namespace AWS/Lambda --metric-name Duration`
# with the dimension FunctionName shows what a deployed function takes.
DYNAMODB_MS, EVENTBRIDGE_MS, PROVIDER_MS = 5.0, 20.0, 300.0
# Of a whole processor. python -m tests.bench.bench_trigger: a later signup takes 1.2 times REF's 1.2 to 1.8 ms.
TRIGGER_CPU_MS = 2.2
# python -m tests.bench.bench_worker: a later batch of ten takes 0.15 s.
WORKER_CPU_MS = 15.0
PROCESSOR_MB = 1769
"""The memory with which Lambda gives a function one processor (Lambda quotas in its Developer Guide)."""
INIT_SECONDS, COLD_SHARE = 0.5, 0.01
"""Init of the trigger on Lambda, and the part of the signups that start an environment: not measured."""
LOG_EVENT_BYTES = 26
"""What CloudWatch adds to the size of each line (PutLogEvents)."""
PLATFORM_LINES = (
    "START RequestId: 7d1f3a52-90b1-40c4-8e0f-2b8c1a6d4e01 Version: 12",
    "END RequestId: 7d1f3a52-90b1-40c4-8e0f-2b8c1a6d4e01",
    "REPORT RequestId: 7d1f3a52-90b1-40c4-8e0f-2b8c1a6d4e01\tDuration: 28.41 ms\tBilled Duration: 29 ms\t"
    "Memory Size: 1024 MB\tMax Memory Used: 92 MB\t",
)
PLATFORM_BYTES = sum(len(line) + LOG_EVENT_BYTES for line in PLATFORM_LINES)
PROVIDER_REQUEST_BYTES = 1_500
"""Headers and body of one request, with TLS; the official Stripe SDK describes itself in a header."""
POLLERS, POLL_SECONDS = 5, 20
"""Lambda's pollers of a queue, and how long each waits for a message (Lambda Developer Guide, SQS)."""
