"""The SQS redrive calls that the emulator lacks, implemented by receive, send and delete.

StartMessageMoveTask, ListMessageMoveTasks, ListDeadLetterSourceQueues.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from onramp.local.asgi import Reply
from onramp.local.gateway.aws import AwsCall, Emulator, EmulatorError, Forward, aws_error, aws_reply


@dataclass
class MoveTask:
    handle: str
    source_arn: str
    destination_arn: str | None
    started_ms: int
    to_move: int
    moved: int = 0
    status: str = "RUNNING"
    failure: str | None = None

    def as_json(self) -> dict[str, Any]:
        optional = {
            "TaskHandle": self.handle if self.status == "RUNNING" else None,
            "DestinationArn": self.destination_arn,
            "FailureReason": self.failure,
        }
        return {
            "Status": self.status,
            "SourceArn": self.source_arn,
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self.to_move,
            "StartedTimestamp": self.started_ms,
            **{name: value for name, value in optional.items() if value is not None},
        }


class MessageMoveTasks:
    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._tasks: list[MoveTask] = []
        self._running: set[asyncio.Task[None]] = set()

    async def layer(self, call: AwsCall, forward: Forward) -> Reply:
        operations = {
            "StartMessageMoveTask": self._start,
            "ListMessageMoveTasks": self._list,
            "ListDeadLetterSourceQueues": self._sources,
        }
        if call.service != "sqs" or call.operation not in operations:
            return await forward(call)
        try:
            return aws_reply(200, await operations[call.operation](call.payload()))
        except EmulatorError as exc:
            return aws_error(exc.code, str(exc))

    async def _start(self, request: Mapping[str, Any]) -> dict[str, Any]:
        source = request["SourceArn"]
        if not await self._source_queues(source):
            raise EmulatorError("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
        if any(task.source_arn == source and task.status == "RUNNING" for task in self._tasks):
            raise EmulatorError("UnsupportedOperation", "There is already a task running.")
        url = await self._url(source)
        count = (await self._attributes(url))["ApproximateNumberOfMessages"]
        now_ms = int(time.time() * 1000)
        task = MoveTask(str(uuid4()), source, request.get("DestinationArn"), now_ms, int(count))
        self._tasks.insert(0, task)
        running = asyncio.create_task(self._run(task, url))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return {"TaskHandle": task.handle}

    async def _list(self, request: Mapping[str, Any]) -> dict[str, Any]:
        tasks = [task for task in self._tasks if task.source_arn == request["SourceArn"]]
        return {"Results": [task.as_json() for task in tasks[: request.get("MaxResults", 1)]]}

    async def _sources(self, request: Mapping[str, Any]) -> dict[str, Any]:
        arn = (await self._attributes(request["QueueUrl"]))["QueueArn"]
        return {"queueUrls": await self._source_queues(arn)}

    async def _run(self, task: MoveTask, url: str) -> None:
        try:
            for _ in range(task.to_move):
                received = await self._call(
                    "ReceiveMessage", QueueUrl=url, AttributeNames=["All"], MessageAttributeNames=["All"]
                )
                for message in received.get("Messages", []):
                    await self._move(task, url, message)
        except EmulatorError as exc:
            task.status, task.failure = "FAILED", exc.code
        else:
            task.status = "COMPLETED"

    async def _move(self, task: MoveTask, url: str, message: Mapping[str, Any]) -> None:
        """Sends, then deletes: a crash between leaves a duplicate and loses no message."""
        receipt = message["ReceiptHandle"]
        destination = task.destination_arn or message["Attributes"].get("DeadLetterQueueSourceArn")
        if destination is None:  # sent by code, not moved by SQS: its source queue is unknown
            await self._call("ChangeMessageVisibility", QueueUrl=url, VisibilityTimeout=0, ReceiptHandle=receipt)
            raise EmulatorError("CouldNotDetermineMessageSource", "the message came from no queue")
        await self._send(message, destination)
        await self._call("DeleteMessage", QueueUrl=url, ReceiptHandle=receipt)
        task.moved += 1

    async def _send(self, message: Mapping[str, Any], destination: str) -> None:
        attributes = message.get("MessageAttributes") or {}
        await self._call(
            "SendMessage",
            QueueUrl=await self._url(destination),
            MessageBody=message["Body"],
            MessageAttributes=attributes,
        )

    async def _source_queues(self, arn: str) -> list[str]:
        sources = []
        for url in (await self._call("ListQueues")).get("QueueUrls", []):
            policy = json.loads((await self._attributes(url)).get("RedrivePolicy") or "{}")
            if policy.get("deadLetterTargetArn") == arn:
                sources.append(url)
        return sources

    async def _url(self, arn: str) -> str:
        return str((await self._call("GetQueueUrl", QueueName=arn.rpartition(":")[2]))["QueueUrl"])

    async def _attributes(self, url: str) -> dict[str, str]:
        answer = await self._call("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])
        return dict(answer["Attributes"])

    async def _call(self, operation: str, **request: Any) -> dict[str, Any]:
        return await self._emulator.call("sqs", operation, request)
