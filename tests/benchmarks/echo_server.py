"""What fgnb's served answers are measured against: the least that an ASGI server can do.

    python3 tests/benchmarks/echo_server.py FILE

Reads each request's body and answers with the bytes of FILE as JSON, on the server that `fgnb.local.server`
uses, with the same settings. Prints its port. A program of its own, so that nothing else is in its process.
"""

import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvicorn

Message = dict[str, Any]


def make_app(answer: bytes) -> Callable[..., Awaitable[None]]:
    """Return an application that gives `answer` to everything."""
    headers = [
        (b"content-type", b"application/json"),
        (b"x-request-id", b"00000000-0000-0000-0000-000000000000"),
        (b"content-length", str(len(answer)).encode()),
    ]

    async def app(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        chunks = []
        while True:
            message = await receive()
            chunks.append(message.get("body", b""))
            if not message.get("more_body"):
                break
        assert b"".join(chunks)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    return app


def main() -> None:
    """Serve until terminated."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    print(listener.getsockname()[1], flush=True)
    app = make_app(Path(sys.argv[1]).read_bytes())
    config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=2)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
