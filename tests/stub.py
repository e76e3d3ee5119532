"""A server that answers as it is told, or misbehaves as it is told; counts what it was asked."""

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

# What is done about a request; the connection is kept for another one if it returns something true.
Behaviour = Callable[[socket.socket], object]


def answer(status: int, body: Any = b"", *, length: int | None = None, **headers: str) -> Behaviour:
    """Answer with a status and a body (JSON unless it is bytes) and close; `length` is what is claimed."""
    text = _text(status, body, length, {"connection": "close"} | headers)
    return lambda connection: connection.sendall(text)


def kept(status: int, body: Any = b"", *, extra: bytes = b"", **headers: str) -> Behaviour:
    """Answer, with bytes after the answer that nobody asked for, and keep the connection."""
    text = _text(status, body, None, headers) + extra
    return lambda connection: connection.sendall(text) or True


def raw(*parts: bytes, pause: float = 0.0) -> Behaviour:
    """Send these bytes, with pauses of so many seconds in between, and close."""

    def send(connection: socket.socket) -> None:
        for number, part in enumerate(parts):
            time.sleep(pause if number else 0)
            connection.sendall(part)

    return send


def reset(connection: socket.socket) -> None:
    """Close with a TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def reset_after(data: bytes) -> Behaviour:
    """Send these bytes, wait until they are on their way, and close with a TCP reset."""

    def send(connection: socket.socket) -> None:
        connection.sendall(data)
        time.sleep(0.02)  # a reset may overtake what the other side has not read
        reset(connection)

    return send


def stall(connection: socket.socket) -> None:
    """Say nothing until the other side closes the connection."""
    connection.recv(1)


def _text(status: int, body: Any, length: int | None, headers: dict[str, str]) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    claimed = len(data) if length is None else length
    lines = [f"HTTP/1.1 {status} X", f"content-length: {claimed}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + data


class Stub:
    """Serves on `url`; the behaviours of `script` are used up in turn, the last one again and again.

    `requests` holds the method, the path and the body of each request that arrived whole, `headers` its
    headers by lower-case name; `connections` counts what was accepted, `open` what is open now.

    Args:
        script: what to do about each request; or about each connection, before anything is read, where
            `greets` is true.
        tls: serves https.
        listens: whether it does so at once; until then, connections are refused.
        greets: whether the script is played without waiting for a request.
    """

    def __init__(
        self, *script: Behaviour, tls: ssl.SSLContext | None = None, listens: bool = True, greets: bool = False
    ) -> None:
        self.script = list(script)
        self.requests: list[tuple[str, str, bytes]] = []
        self.headers: list[dict[str, str]] = []
        self.connections = self.open = 0
        self._tls = tls
        self.greets = greets
        self._lock = threading.Lock()
        self._waiting: list[socket.socket] = []
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        if listens:
            self.listen()

    def listen(self) -> None:
        """Accept connections from now on."""
        self._listener.listen(512)
        threading.Thread(target=self._serve, daemon=True).start()

    def fill(self) -> None:
        """Have so many connections wait that new ones get no answer at all, not even a refusal."""
        self._listener.listen(0)
        self._waiting = [socket.socket() for _ in range(3)]
        for each in self._waiting:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", self.port))

    def close(self) -> None:
        """Refuse new connections."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # close() alone would leave accept() waiting
        for each in (self._listener, *self._waiting):
            each.close()

    def posts(self) -> int:
        return sum(method == "POST" for method, _, _ in self.requests)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        connection.settimeout(30)  # a thread that outlives its test does not wait for ever
        with self._lock:
            self.connections += 1
            self.open += 1
        try:
            with connection:
                if self._tls is None:
                    self._talk(connection)
                else:
                    with self._tls.wrap_socket(connection, server_side=True) as encrypted:
                        self._talk(encrypted)
        except (OSError, ValueError):
            return
        finally:
            with self._lock:
                self.open -= 1

    def _talk(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as stream:
            again = True
            while again:
                if not self.greets:
                    method, path, _ = stream.readline().decode().split()
                    headers = {}
                    while line := stream.readline().strip():
                        name, _, value = line.decode("latin-1").partition(":")
                        headers[name.lower()] = value.strip()
                    body = stream.read(int(headers.get("content-length", "0")))
                    with self._lock:
                        self.requests.append((method, path, body))
                        self.headers.append(headers)
                with self._lock:
                    behaviour = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                again = bool(behaviour(connection))
