"""The embedded service as an ASGI application: a thin coat over `fgnb.local.service.Service`."""

from __future__ import annotations

import asyncio

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request as WebRequest
from starlette.responses import Response as WebResponse
from starlette.routing import Route

from fgnb.local.service import Service, refusal
from fgnb.wire import BODY_LIMIT, INVALID, Request

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]", "::1")
METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]


def make_app(service: Service, *, host: str = "127.0.0.1") -> Starlette:
    """Return the ASGI application of an embedded service that listens on `host`."""

    async def answer(web: WebRequest) -> WebResponse:
        body = await _body(web)
        if body is None:
            given = refusal(413, "APIGW.0201", "Request entity too large.")
        elif body and not web.headers.get("content-type", "").startswith("application/json"):
            # A page in the user's browser can send other types to this address without being asked.
            given = refusal(400, INVALID, "the body's Content-Type must be application/json")
        else:
            raw_path: bytes = web.scope.get("raw_path") or web.url.path.encode()
            path = raw_path.decode("latin-1") + (f"?{web.url.query}" if web.url.query else "")
            request = Request(method=web.method, path=path, headers=dict(web.headers), body=body)
            try:
                given = await service.send(request)
            except asyncio.CancelledError:  # the server ends: say so instead of dropping the connection
                given = refusal(500, INVALID, "the service was stopped before the workflow ended")
        return WebResponse(given.body, given.status, dict(given.headers))

    # A name of somebody's that resolves to loopback is not this machine's own (DNS rebinding).
    own = Middleware(TrustedHostMiddleware, allowed_hosts=[*LOOPBACK_NAMES, host], www_redirect=False)
    return Starlette(routes=[Route("/{path:path}", answer, methods=METHODS)], middleware=[own])


async def _body(web: WebRequest) -> bytes | None:
    """Return the request's body, or None once it is over the limit; no more is read then."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in web.stream():
        size += len(chunk)
        if size > BODY_LIMIT:
            return None
        chunks.append(chunk)
    return b"".join(chunks)
