"""AWS on loopback, over TLS, in a process of its own: accepts every UpdateItem and PutEvents after a fixed delay."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import ssl
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOT = Path(__file__).resolve().parents[1]
ANSWERS = {b"updateitem": b"{}", b"putevents": b'{"FailedEntryCount":0,"Entries":[{"EventId":"1"}]}'}


@dataclass(frozen=True)
class TlsAws:
    url: str
    certificate: Path
    log: Path

    def requests(self) -> list[str]:
        """`updateitem`, `putevents` in the order of arrival; empty for a request without an operation."""
        return self.log.read_text().split("\n")[:-1]

    def environment(self) -> dict[str, str]:
        """For a process that calls it, without the caller's: its CA bundle would replace the tested one."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_SESSION_TOKEN": "t" * 300,
        }

    def trust_in(self, artifact: Path) -> None:
        """Adds its certificate to botocore's bundle, so that the bundle of the artifact is what is loaded."""
        trust(artifact / "botocore" / "cacert.pem", self.certificate)


def trust(bundle: Path, certificate: Path) -> None:
    bundle.write_text(bundle.read_text() + "\n" + certificate.read_text())


@contextmanager
def tls_aws(folder: Path, seconds: float = 0.0) -> Iterator[TlsAws]:
    """`seconds`: the delay of each answer."""
    certificate, key, log = folder / "certificate.pem", folder / "key.pem", folder / "requests.log"
    write_certificate(certificate, key)
    command = [sys.executable, "-m", "tests.tls_aws", str(certificate), str(key), str(log), str(seconds)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield TlsAws(f"https://127.0.0.1:{process.stdout.readline().strip()}", certificate, log)
        finally:
            process.kill()


def write_certificate(certificate: Path, key_file: Path) -> None:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    certificate.write_bytes(built.public_bytes(pem))
    key_file.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))


class Server(asyncio.Protocol):
    def __init__(self, log: Path, delay: float) -> None:
        self.log, self.delay, self.buffer = log, delay, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, complete, body = self.buffer.partition(b"\r\n\r\n")
        headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if not complete or len(body) < int(headers.get(b"content-length", b"0")):
            return
        self.buffer = b""
        operation = headers.get(b"x-amz-target", b"").rpartition(b".")[2]
        with self.log.open("ab") as log:
            log.write(operation + b"\n")
        asyncio.get_running_loop().call_later(self.delay, self.answer, ANSWERS.get(operation, b"{}"))

    def answer(self, body: bytes) -> None:
        head = f"x-amzn-RequestId: {'A' * 52}\r\nx-amz-crc32: {zlib.crc32(body)}\r\nContent-Length: {len(body)}"
        self.transport.write(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode() + body)


async def serve(certificate: str, key: str, log: str, delay: str) -> None:
    """Prints the port."""
    Path(log).touch()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Server(Path(log), float(delay)), "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201  # what the parent reads
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
