"""AWS on loopback, over TLS, in a process of its own: it accepts every UpdateItem and PutEvents after a fixed delay.

python -m tests.bench.tls_stub CERTIFICATE KEY SECONDS      prints its port
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import zlib
from collections import Counter

ANSWERS = {"UpdateItem": b"{}", "PutEvents": b'{"FailedEntryCount":0,"Entries":[{"EventId":"1"}]}'}


class Stub(asyncio.Protocol):
    delay = 0.0
    requests: Counter[str] = Counter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.buffer = transport, b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, separator, rest = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(headers.get(b"content-length", b"0"))
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        operation = headers.get(b"x-amz-target", b".").rpartition(b".")[2].decode()
        asyncio.get_running_loop().call_later(self.delay, self.answer, operation)

    def answer(self, operation: str) -> None:
        body = next((body for name, body in ANSWERS.items() if name.lower() == operation), b"{}")
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.0\r\n"
            f"x-amzn-RequestId: {'A' * 52}\r\nx-amz-crc32: {zlib.crc32(body)}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.transport.write(head.encode() + body)


async def serve(certificate: str, key: str, delay: float) -> None:
    Stub.delay = delay
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = await asyncio.get_running_loop().create_server(Stub, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], float(sys.argv[3])))
