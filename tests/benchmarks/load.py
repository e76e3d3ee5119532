"""Sends one request over and over, on several connections at once, and counts the answers.

    python3 tests/benchmarks/load.py PORT PATH BODY --connections 16 --seconds 2

A program of its own, so that what it costs is not in the server's process. Every connection is kept alive
and has one request under way. Every answer must be a 200 whose body holds ``"success"``. Prints a JSON
object: answers, seconds, and the median and the 99th percentile of the answers' times in milliseconds.
"""

import argparse
import asyncio
import json
import statistics
import time


class Connection(asyncio.Protocol):
    """One connection: sends again as soon as the whole answer is there, until `until`."""

    def __init__(self, request: bytes, until: float) -> None:
        self.request = request
        self.until = until
        self.times: list[float] = []
        self.over = asyncio.get_running_loop().create_future()
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, blank, body = self._buffer.partition(b"\r\n\r\n")
        if not blank or len(body) < _length(head):
            return
        now = time.perf_counter()
        self.times.append(now - self._began)
        if not head.startswith(b"HTTP/1.1 200") or b'"success"' not in body:
            self.over.set_exception(RuntimeError(f"unexpected answer: {self._buffer[:400]!r}"))
            self._transport.close()
        elif now > self.until:
            self.over.set_result(None)
            self._transport.close()
        else:
            self._buffer = b""
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.over.done():
            self.over.set_exception(RuntimeError(f"the connection was closed: {error}"))


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise RuntimeError(f"an answer without a length: {head[:400]!r}")


async def load(port: int, path: str, body: bytes, *, connections: int, seconds: float) -> dict[str, float]:
    """Send for `seconds` and return what came."""
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    began = time.perf_counter()
    request, until = head.encode() + body, began + seconds
    loop = asyncio.get_running_loop()
    opened = [
        await loop.create_connection(lambda: Connection(request, until), "127.0.0.1", port) for _ in range(connections)
    ]
    await asyncio.gather(*(connection.over for _, connection in opened))
    took = time.perf_counter() - began
    times = sorted(one for _, connection in opened for one in connection.times)
    return {
        "answers": len(times),
        "seconds": took,
        "median_ms": statistics.median(times) * 1e3,
        "p99_ms": times[int(len(times) * 0.99)] * 1e3,
    }


def main() -> None:
    """Load and print."""
    parser = argparse.ArgumentParser(description="Send one request over and over.")
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    parser.add_argument("body")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=2)
    given = parser.parse_args()
    counted = load(given.port, given.path, given.body.encode(), connections=given.connections, seconds=given.seconds)
    print(json.dumps(asyncio.run(counted)))


if __name__ == "__main__":
    main()
