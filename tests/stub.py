"""A server that answers as it is told, or misbehaves as it is told; counts what it was asked."""

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

Behaviour = Callable[[socket.socket], None]


def answer(status: int, body: Any = b"", *, length: int | None = None, **headers: str) -> Behaviour:
    """Answer with a status and a body (JSON unless it is bytes); `length` is what is claimed."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    claimed = len(data) if length is None else length
    lines = [f"HTTP/1.1 {status} X", f"content-length: {claimed}", "connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    text = "\r\n".join([*lines, "", ""]).encode() + data
    return lambda connection: connection.sendall(text)


def raw(data: bytes) -> Behaviour:
    """Send these bytes and close."""
    return lambda connection: connection.sendall(data)


def reset(connection: socket.socket) -> None:
    """Close with a TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Stub:
    """Serves on `url`; the behaviours of `script` are used up in turn, the last one again and again.

    `requests` holds the method, the path and the body of each request that arrived whole.
    """

    def __init__(self, *script: Behaviour) -> None:
        self.script = list(script)
        self.requests: list[tuple[str, str, bytes]] = []
        self.released = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def stall(self, connection: socket.socket) -> None:
        """Say nothing until the stub is closed."""
        self.released.wait(30)

    def close(self) -> None:
        """Refuse new connections, and let those that stall go."""
        self.released.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # close() alone would leave accept() waiting
        self._listener.close()

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
        with connection, connection.makefile("rb") as stream:
            try:
                method, path, _ = stream.readline().decode().split()
                length = 0
                while line := stream.readline().strip():
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                self.requests.append((method, path, stream.read(length)))
                behaviour = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                behaviour(connection)
            except (OSError, ValueError):
                return
