"""The embedded service as an ASGI application: a thin coat over `fgnb.local.service.Service`."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

from fgnb.local.refusals import Refused, answer, internal_error, invalid, no_api, too_large, too_slow
from fgnb.local.service import Service
from fgnb.wire import BODY_LIMIT, Request, Response

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
PATIENCE = 60.0  # seconds in which a request must have come as a whole

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def make_app(service: Service, *, host: str = "127.0.0.1", patience: float = PATIENCE) -> App:
    """Return the ASGI application of an embedded service.

    Args:
        service: what answers.
        host: the address it listens on.
        patience: seconds in which a request's body must have come. That is looked at whenever a piece
            of it arrives; the server sends empty ones, which is cheaper than a timer for each request.
    """
    # A name of somebody's that resolves to loopback is not this machine's own (DNS rebinding): a page
    # in the user's browser could reach the service under it. Where requests are signed, that page has
    # no key, and names may be anything: of a container, of a proxy, of this machine in its network.
    own = None if service.secured else _host_pattern((*LOOPBACK_NAMES, f"[{host}]" if ":" in host else host))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            headers = _headers(scope["headers"])
            if own and not own.fullmatch(headers.get("host", "")):
                raise no_api("The service is not called by this host name.")
            body = await _body(headers, receive, patience)
            if body is None:  # cut off on the way: there is nothing to carry out, and nobody to tell
                return
            if body and not _is_json(headers.get("content-type", "")):
                # A page in the user's browser can send other types to this address without being asked.
                raise invalid("the body's Content-Type must be application/json")
            path: bytes = scope["raw_path"]
            if query := scope["query_string"]:
                path = path + b"?" + query
            request = Request(method=scope["method"], path=path.decode("latin-1"), headers=headers, body=body)
            given = await service.send(request)
        except Refused as refused:
            given = answer(refused)
        except asyncio.CancelledError:  # the server ends: say so instead of dropping the connection
            given = answer(internal_error("the service was stopped before the workflow ended"))
        await _send(given, send)

    return app


def _host_pattern(names: Iterable[str]) -> re.Pattern[str]:
    return re.compile(rf"(?:{'|'.join(map(re.escape, names))})(?::[0-9]*)?", re.IGNORECASE)


def _headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by names in lower case; what was sent twice is joined (RFC 9110, 5.3)."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1"), raw_value.decode("utf-8", "replace")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


async def _body(headers: Mapping[str, str], receive: Receive, patience: float) -> bytes | None:
    """Return the request's body, or None if the client goes away before it is there.

    Raises:
        Refused: it is too large, or too slow. No more of it is read then.
    """
    if int(headers.get("content-length", 0)) > BODY_LIMIT:
        raise too_large()
    chunks: list[bytes] = []
    size = 0
    started = time.monotonic()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > BODY_LIMIT:
            raise too_large()
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)
        if time.monotonic() - started > patience:
            raise too_slow()


def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "application/json"


async def _send(given: Response, send: Send) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in given.headers.items()]
    headers.append((b"content-length", str(len(given.body)).encode()))
    if given.status == 408:  # what is still to come of the request would be taken for the next one
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": given.status, "headers": headers})
    await send({"type": "http.response.body", "body": given.body})
