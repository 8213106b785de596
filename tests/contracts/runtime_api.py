"""An artifact under Lambda's own runtime client, which reads from a Runtime API on loopback.

    with LambdaRuntime(interpreter, artifact, client, "post_confirmation", environment) as runtime:
        reply = runtime.invoke(event)

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import json
import queue
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self

VERSION = "/2018-06-01/runtime"
RUNTIME = "python3.13"
"""As in the template. The client chooses its JSON encoding by this name, not by the interpreter."""
DEADLINE_SECONDS = 60.0
# The function's folder comes before the runtime's, as in Lambda. -I and -S: no other packages.
START = (
    "import runpy, sys; sys.path[:0] = sys.argv[1:3]; del sys.argv[1:3];"
    " runpy.run_module('awslambdaric', run_name='__main__')"
)


class Interpreter(NamedTuple):
    """`architecture` and `runtime` as scripts/build.py takes them."""

    name: str
    executable: str
    architecture: str
    runtime: str


class Reply(NamedTuple):
    """What the client posted. `kind`: `response`, `error` (of an invocation) or `init` (an error of the start)."""

    kind: str
    body: Any
    error_type: str | None = None


class RuntimeApi(ThreadingHTTPServer):
    """Serves one runtime."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.events: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.replies: queue.Queue[Reply] = queue.Queue()
        self.restores = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: RuntimeApi

    def do_GET(self) -> None:
        if self.path == f"{VERSION}/restore/next":  # after init, with the initialization type snap-start
            self.server.restores += 1
            self._answer(200, b"", {})
            return
        request_id, event = self.server.events.get()
        self._answer(200, event, _invocation_headers(request_id))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        kind = self.path.rpartition("/")[2] if "/invocation/" in self.path else "init"
        self._answer(202, b"{}", {})
        self.server.replies.put(Reply(kind, body, self.headers.get("Lambda-Runtime-Function-Error-Type")))

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Prints nothing."""


def _invocation_headers(request_id: str) -> dict[str, str]:
    return {
        "Lambda-Runtime-Aws-Request-Id": request_id,
        "Lambda-Runtime-Deadline-Ms": str(round(time.time() * 1000) + 60_000),
        "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-west-1:123456789012:function:onramp-any:live",
        "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0",
    }


class LambdaRuntime:
    """A process of its own for each instance, as each execution environment of Lambda."""

    def __init__(
        self, interpreter: Interpreter, artifact: Path, client: Path, function: str, environment: Mapping[str, str]
    ) -> None:
        self._api = RuntimeApi()
        handler = f"functions.{function}.handler.handler"
        self._command = [interpreter.executable, "-I", "-S", "-c", START, str(artifact), str(client), handler]
        self._folder = artifact
        self._environment = {
            **environment,
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._api.server_port}",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{RUNTIME}",
            "AWS_LAMBDA_FUNCTION_NAME": f"onramp-{function}",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self.request_id = ""

    def __enter__(self) -> Self:
        threading.Thread(target=self._api.serve_forever, daemon=True).start()
        self._log = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            self._command, cwd=self._folder, env=self._environment, stdout=self._log, stderr=subprocess.STDOUT
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        self._log.close()
        self._api.shutdown()
        self._api.server_close()

    @property
    def restores(self) -> int:
        """How often the client has waited for a restore."""
        return self._api.restores

    def invoke(self, event: Any) -> Reply:
        """Sends the event (bytes are sent as they are) and waits for the reply."""
        self.request_id = str(uuid.uuid4())
        self._api.events.put((self.request_id, event if isinstance(event, bytes) else json.dumps(event).encode()))
        return self.reply()

    def reply(self) -> Reply:
        """Raises AssertionError with the log where the process ends without a reply."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            has_ended = self._process.poll() is not None
            try:
                return self._api.replies.get(timeout=0.05)
            except queue.Empty:
                assert not has_ended, f"the runtime ended without a reply:\n{self.log()}"
        raise AssertionError(f"no reply within {DEADLINE_SECONDS} s:\n{self.log()}")

    def exit_code(self) -> int:
        return self._process.wait(DEADLINE_SECONDS)

    def log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")
