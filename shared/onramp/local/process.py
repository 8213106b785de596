"""Starts and stops the server process (server.py) from its parent. The server never outlives the parent."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import urllib3

from onramp.local.errors import LocalStackError, PortTakenError, ServerFailedError
from onramp.local.server import HOST, STOP_WITHIN_SECONDS

START_WITHIN_SECONDS = 30.0
_HEALTH = "/_ministack/health"


class ServerProcess:
    def __init__(self, process: subprocess.Popen[bytes], port: int, scratch: Path) -> None:
        self.endpoint = f"http://{HOST}:{port}"
        self._process = process
        self.scratch = scratch

    @classmethod
    def start(cls, port: int, region: str, *, enforce_iam: bool) -> ServerProcess:
        """Returns once the server answers. Raises PortTakenError, ServerFailedError, LocalStackError."""
        listening = _listen(port)
        port = listening.getsockname()[1]
        scratch = Path(tempfile.mkdtemp(prefix="onramp-"))
        command = [sys.executable, "-P", "-m", "onramp.local.server", "--fd", str(listening.fileno())]
        command += ["--port", str(port), "--region", region, "--scratch", str(scratch)]
        command += ["--enforce-iam"] if enforce_iam else []
        with listening, (scratch / "server.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603  # this package's module, run by this Python
                command,
                stdin=subprocess.PIPE,  # the server stops when this pipe closes: see server.py
                stdout=log,
                stderr=log,
                pass_fds=[listening.fileno()],
                start_new_session=True,  # Ctrl-C reaches only the parent, which then stops the server
            )
        server = cls(process, port, scratch)
        try:
            server._wait_until_healthy()
        except BaseException:
            server.stop()
            raise
        return server

    @property
    def pid(self) -> int:
        """The id of the server and of its process group, which contains every function's process."""
        return self._process.pid

    def wait(self) -> None:
        code = self._process.wait()
        raise ServerFailedError(f"its process ended with exit code {code}")

    def stop(self) -> None:
        if self._process.stdin and not self._process.stdin.closed:
            self._process.stdin.close()
        try:
            stopped = self._process.wait(STOP_WITHIN_SECONDS + 1) == 0
        except subprocess.TimeoutExpired:
            stopped = False
        if not stopped:  # its functions may still run
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def log(self) -> str:
        """The server's own log, for debugging."""
        path = self.scratch / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _wait_until_healthy(self) -> None:
        http = urllib3.PoolManager(retries=False, timeout=1.0)
        deadline = time.monotonic() + START_WITHIN_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                last_line = self.log().strip().rpartition("\n")[2]
                raise ServerFailedError(last_line or f"exit code {self._process.returncode}")
            try:
                if http.request("GET", self.endpoint + _HEALTH).status == 200:
                    return
            except urllib3.exceptions.HTTPError:
                continue  # the socket already accepts connections; the server answers once it is ready
        raise ServerFailedError(f"no answer within {START_WITHIN_SECONDS:.0f} s")


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen(128)
    except OSError as exc:
        listening.close()
        if exc.errno == errno.EADDRINUSE:
            raise PortTakenError(port) from exc
        raise LocalStackError(f"Port {port} cannot be used ({exc.strerror}): choose another with --port.") from exc
    return listening
