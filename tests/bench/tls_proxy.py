"""TLS in front of a local server, with a delay for each request, as a network has: `tls_proxy(...)`.

HTTP/1.1 without pipelining: a request waits once, and the next one begins after its answer.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
CHUNK = 1 << 16


@contextmanager
def tls_proxy(certificate: Path, key: Path, upstream: str, low: float, high: float) -> Iterator[str]:
    """Yields the URL of a process that waits `low` to `high` seconds before it passes a request on."""
    target = urlsplit(upstream)
    command = [sys.executable, "-m", "tests.bench.tls_proxy", str(certificate), str(key)]
    command += [str(target.hostname), str(target.port), str(low), str(high)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield f"https://127.0.0.1:{process.stdout.readline().strip()}{target.path}"
        finally:
            process.kill()


@dataclass
class Network:
    host: str
    port: int
    low: float
    high: float
    chance: random.Random = field(default_factory=lambda: random.Random(4711))

    async def connect(self, requests: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        connection = Connection(self, *await asyncio.open_connection(self.host, self.port))
        backwards = asyncio.create_task(connection.pass_answers(answers))
        own = f"127.0.0.1:{answers.get_extra_info('sockname')[1]}".encode()
        with suppress(ConnectionError):
            await connection.pass_requests(requests, own)
        backwards.cancel()
        connection.server.close()
        answers.close()


@dataclass
class Connection:
    network: Network
    source: asyncio.StreamReader
    server: asyncio.StreamWriter
    answered: bool = True
    """Whether the next piece begins a request: a client sends its head and its body apart."""

    async def pass_requests(self, requests: asyncio.StreamReader, own: bytes) -> None:
        host = f"{self.network.host}:{self.network.port}".encode()
        while piece := await requests.read(CHUNK):
            if self.answered:
                self.answered = False
                await asyncio.sleep(self.network.chance.uniform(self.network.low, self.network.high))
            self.server.write(piece.replace(own, host))
            await self.server.drain()

    async def pass_answers(self, answers: asyncio.StreamWriter) -> None:
        while piece := await self.source.read(CHUNK):
            self.answered = True
            answers.write(piece)
            await answers.drain()
        answers.close()


async def serve(certificate: str, key: str, host: str, port: str, low: str, high: str) -> None:
    """Prints the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    network = Network(host, int(port), float(low), float(high))
    server = await asyncio.start_server(network.connect, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
