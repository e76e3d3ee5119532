"""A service of one workflow that answers each input as a function says, and keeps its own log of what arrived."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ID = "48aff955-ea10-4ffd-b426-190bc192dc14"
LISTED = {"workflows": [{"id": ID, "name": "echo", "workflow_urn": "urn"}], "total": 1, "size": 1}
Reply = Callable[[Any], tuple[Any, ...]]


def success(value: Any) -> tuple[Any, ...]:
    """Answer that the workflow gave its input back."""
    return 200, {"execution_id": "e", "status": "success", "output": value, "errors": []}


class WorkflowStub:
    """Serves the workflow ``echo`` on `url`.

    `inputs` holds the input of each execution that arrived, in order; `most` is how many were under way at once.

    Args:
        reply: gives status, body and, if any, headers for an input; raising drops the connection.
        delay: seconds before each answer.
    """

    def __init__(self, reply: Reply = success, *, delay: float = 0.0) -> None:
        self.inputs: list[Any] = []
        self.times: list[float] = []
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._say(200, LISTED if "?" in self.path else {"id": ID, "workflow_urn": "urn", "definition": {}})

            def do_POST(self) -> None:
                value = json.loads(self.rfile.read(int(self.headers["content-length"])))["input"]
                with stub._under_way(value):
                    time.sleep(delay)
                    try:
                        said = reply(value)
                    except Exception:
                        self.close_connection = True
                        return
                self._say(*said)

            def _say(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
                data = json.dumps(body).encode()
                self.send_response(status)
                for name, text in {"content-length": str(len(data)), **(headers or {})}.items():
                    self.send_header(name, text)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *args: Any) -> None:
                pass  # a client that went away

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @contextmanager
    def _under_way(self, value: Any) -> Iterator[None]:
        with self._lock:
            self.inputs.append(value)
            self.times.append(time.monotonic())
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            yield
        finally:
            with self._lock:
                self._now -= 1

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
