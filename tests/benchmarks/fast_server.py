"""What clients are measured against: a server that costs much less than any of them.

    python3 tests/benchmarks/fast_server.py [--delay SECONDS]

Answers every synchronous execution with the same ready bytes (a success of about 600 bytes), after the delay if
there is one; gives the list of one workflow and the workflow itself, for clients that look names up; and under
``/seen``, as ``{"connections": n}``, how many connections have brought an execution so far. Connections are kept
alive, requests are read but not understood beyond that. Listens on the loopback only, prints its port, and ends
when its standard input does.
"""

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator

WORKFLOW_ID = "6f6b2a5c-7f0e-4d55-9a3e-0c1d5d2b7a10"
WORKFLOW = "order-triage"
# Fractions of two: the official SDK gives decimals, and only these are equal to them.
OUTPUT = {
    "order": {"id": "A-1007", "sku": "A-100", "qty": 3, "price": 129.5, "total": 388.5},
    "decision": {"route": "express", "score": 0.9375, "reasons": ["in stock", "known customer", "low value"]},
    "shipping": {"carrier": "north", "days": 2, "weight_kg": 1.25, "tracked": True},
    "note": "Handled by the fast lane; nobody has to look at it before it leaves the house, and the customer is told.",
}
EXECUTION = {
    "execution_id": "0b7f9d2e-3c41-4f6a-8d27-51a6e0c9b834",
    "status": "success",
    "output": OUTPUT,
    "errors": [],
    "begin_time": "2026-01-01T08:00:00Z",
    "end_time": "2026-01-01T08:00:01Z",
}
_SUMMARY = {"id": WORKFLOW_ID, "name": WORKFLOW, "workflow_urn": "urn:fss:local:p:workflow:default:order-triage"}
_SHOWN = {"id": WORKFLOW_ID, "definition": {"name": WORKFLOW, "mode": "EXPRESS", "states": []}}
_LENGTH = b"\r\ncontent-length:"


def _answer(value: object) -> bytes:
    body = json.dumps(value).encode()
    head = (
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
        f"x-request-id: 5d0d6c3a9b7e4f21a8c3e5f7091b2d4c\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


_EXECUTED = _answer(EXECUTION)
_LISTED = _answer({"workflows": [_SUMMARY], "total": 1, "size": 1})
_SHOWED = _answer(_SHOWN)


class Server(asyncio.Protocol):
    """One connection; requests come whole or in pieces, the next one after the answer."""

    connections = 0  # that brought an execution

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._received = b""
        self._counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received = received = self._received + data if self._received else data
        end = received.find(b"\r\n\r\n")
        if end < 0:
            return
        if received.startswith(b"GET "):
            self._received = b""
            self._transport.write(self._read(received))
            return
        head = received[:end].lower()
        at = head.index(_LENGTH) + len(_LENGTH)
        if len(received) < end + 4 + int(head[at:].split(b"\r\n", 1)[0]):
            return
        self._received = b""
        if not self._counted:
            self._counted = True
            Server.connections += 1
        if self._delay:
            asyncio.get_running_loop().call_later(self._delay, self._transport.write, _EXECUTED)
        else:
            self._transport.write(_EXECUTED)

    @staticmethod
    def _read(request: bytes) -> bytes:
        path = request.split(b" ", 2)[1].partition(b"?")[0]
        if path == b"/seen":
            return _answer({"connections": Server.connections})
        return _LISTED if path.endswith(b"/workflows") else _SHOWED


@contextlib.contextmanager
def served(delay: float = 0.0) -> Iterator[str]:
    """Run the server in a process of its own; gives its URL."""
    command = [sys.executable, __file__, "--delay", str(delay)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        with server.stdin:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"


def connections(url: str) -> int:
    """Ask the server at a URL how many connections have brought an execution."""
    with urllib.request.urlopen(f"{url}/seen") as answer:
        return int(json.load(answer)["connections"])


async def serve(delay: float) -> None:
    """Serve until standard input ends."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()

    def watch() -> None:
        sys.stdin.buffer.read()
        loop.call_soon_threadsafe(over.set)

    server = await loop.create_server(lambda: Server(delay), "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    threading.Thread(target=watch, daemon=True).start()
    await over.wait()


def main() -> None:
    """Serve on a free port."""
    parser = argparse.ArgumentParser(description="Answer executions at next to no cost.")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds until an answer")
    asyncio.run(serve(parser.parse_args().delay))


if __name__ == "__main__":
    main()
