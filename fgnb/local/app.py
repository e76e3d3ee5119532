"""The embedded service as an ASGI application: a thin coat over `fgnb.local.service.Service`."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request as WebRequest
from starlette.responses import Response as WebResponse
from starlette.routing import Route

from fgnb.local.service import Service, too_large
from fgnb.wire import BODY_LIMIT, Request

METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]


def make_app(service: Service) -> Starlette:
    """Return the ASGI application of an embedded service."""

    async def answer(web: WebRequest) -> WebResponse:
        body = await _body(web)
        if body is None:
            given = too_large()
        else:
            raw_path: bytes = web.scope.get("raw_path") or web.url.path.encode()
            path = raw_path.decode("latin-1") + (f"?{web.url.query}" if web.url.query else "")
            request = Request(method=web.method, path=path, headers=dict(web.headers), body=body)
            given = await service.send(request)
        return WebResponse(given.body, given.status, dict(given.headers))

    return Starlette(routes=[Route("/{path:path}", answer, methods=METHODS)])


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
