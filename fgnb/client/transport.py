"""The way to a service over the network: httpx behind `fgnb.wire.Transport`."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import httpx

from fgnb import __version__
from fgnb.background import forget_in_child
from fgnb.errors import AnswerLost, ConfigError, ConnectionFailed
from fgnb.wire import Request, Response

CONNECT_TIMEOUT = 10.0  # seconds
MARGIN = 1.0  # seconds beyond connect and answer before an exchange is given up as a whole

# Raised before the request's first byte went out
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)


class HttpTransport:
    """Sends requests to `endpoint`, e.g. ``http://127.0.0.1:9000``.

    All its calls belong on one event loop. Redirects are not followed: none is documented, and a
    followed one could start a run twice.

    Raises:
        ConfigError: the endpoint is not an http or https URL.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint.rstrip("/")
        try:
            parts = urlsplit(self.endpoint)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
            valid = valid and (parts.port is None or parts.port > 0)
        except ValueError:
            valid = False
        if not valid:
            raise ConfigError(f"'{endpoint}' is not an endpoint such as https://functiongraph.example.com")
        if parts.username or parts.password:
            raise ConfigError("an endpoint must not hold a user name or a password")
        self._client: httpx.AsyncClient | None = None
        forget_in_child(self)

    async def send(self, request: Request) -> Response:
        """Send a request once; see `fgnb.wire.Transport.send`."""
        timeout = request.timeout
        connect = CONNECT_TIMEOUT if timeout is None else min(CONNECT_TIMEOUT, timeout)
        total = None if timeout is None else timeout + connect + MARGIN
        try:
            async with asyncio.timeout(total):
                answer = await self._http().request(
                    request.method,
                    self.endpoint + request.path,
                    headers=dict(request.headers),
                    content=request.body,
                    timeout=httpx.Timeout(timeout, connect=connect),
                )
        except _NOT_SENT as error:
            raise ConnectionFailed(f"can't connect to {self.endpoint}: {_reason(error)}") from None
        except (httpx.ReadTimeout, TimeoutError):
            raise AnswerLost(f"no answer within {timeout:g} s") from None
        except httpx.HTTPError as error:
            raise AnswerLost(f"the connection was lost before the answer was complete: {_reason(error)}") from None
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Response(status=answer.status_code, headers=headers, body=answer.content)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    def forget(self) -> None:
        """Leave the connections to themselves: in the child of a fork, they are the parent's."""
        self._client = None

    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            self._client = httpx.AsyncClient(
                headers={"user-agent": f"fgnb/{__version__}"},
                follow_redirects=False,
                # A request that waits for a free connection would use up its time unsent.
                limits=httpx.Limits(max_connections=None),
            )
        return self._client


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
