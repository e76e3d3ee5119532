"""Who is asking: signs each request with an access key, or adds an IAM token."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from datetime import UTC, datetime

import httpx

from fgnb.client.credentials import AccessKey, Credentials, IamToken
from fgnb.client.source import Source, at_hand
from fgnb.config import is_loopback
from fgnb.errors import ConfigError
from fgnb.secret import HIDDEN
from fgnb.signature import (
    AUTH_TOKEN_HEADER,
    CONTENT_HEADER,
    DATE_HEADER,
    TOKEN_HEADER,
    authorize,
    canonical_request,
    format_date,
    parse_authorization,
    payload_hash,
)
from fgnb.wire import PROJECT_HEADER

# What proxies and gateways on the way leave as it is. The SDK signs all it has; the guide asks for the date only.
_SIGNED = [(name, name.encode()) for name in ("content-type", "host", PROJECT_HEADER, CONTENT_HEADER)]


class SigningAuth(httpx.Auth):
    """Authorizes requests of an `httpx.Client` or `httpx.AsyncClient`, each attempt anew.

    With an access key: ``X-Sdk-Date``, ``X-Security-Token`` for a temporary key, and a signature by
    SDK-HMAC-SHA256 over them, ``Host``, ``Content-Type``, ``X-Project-Id`` where they are there, the
    path, the query and the bytes of the body. With an IAM token: ``X-Auth-Token``.

    Args:
        source: where the credentials come from.
        project_id: sent as ``X-Project-Id``, if the request has none yet.
        no_tokens: why no token may be sent, if so; an access key without one signs all the same.

    Raises:
        ConfigError: on a request, there are no credentials, or a token would be sent unencrypted.
    """

    requires_request_body = True

    def __init__(self, source: Source, *, project_id: str | None = None, no_tokens: str | None = None) -> None:
        self.source = source
        self.project_id = project_id
        self._no_tokens = no_tokens

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Authorize a request of a client without an event loop; called by httpx."""
        request.read()
        self._authorize(request, self.source.current() or self.source.get())
        yield request

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Authorize a request of a client on an event loop; called by httpx."""
        await request.aread()
        await self.authorize(request)
        yield request

    async def authorize(self, request: httpx.Request) -> None:
        """Add to a request, whose body is there, what says who is asking."""
        self._authorize(request, await at_hand(self.source))

    def _authorize(self, request: httpx.Request, credentials: Credentials) -> None:
        headers = request.headers
        if self.project_id is not None and PROJECT_HEADER not in headers:
            headers[PROJECT_HEADER] = self.project_id
        if isinstance(credentials, IamToken):
            self._check_token_may_go(request.url)
            headers[AUTH_TOKEN_HEADER] = credentials.token.reveal()
            return
        # httpx looks through all headers for each that it is asked for.
        present = {name.lower(): value for name, value in headers.raw}
        signed = {name: present[key].decode("latin-1") for name, key in _SIGNED if key in present}
        signed[DATE_HEADER] = headers[DATE_HEADER] = format_date(datetime.now(UTC))
        if credentials.security_token is not None:
            self._check_token_may_go(request.url)
            signed[TOKEN_HEADER] = headers[TOKEN_HEADER] = credentials.security_token.reveal()
        headers["authorization"] = str(_signature(request, signed, credentials))

    def _check_token_may_go(self, url: httpx.URL) -> None:
        if self._no_tokens is not None:
            raise ConfigError(self._no_tokens)
        if url.scheme != "https" and not is_loopback(str(url)):
            raise ConfigError(
                f"a token would go to {url.host} unencrypted: use https, or an access key without a token"
            )


def _signature(request: httpx.Request, signed: dict[str, str], key: AccessKey) -> object:
    path, _, query = request.url.raw_path.decode("ascii").partition("?")
    return authorize(
        request.method, path, query, signed, request.content, access_key=key.access_key, secret_key=key.secret_key
    )


def signed_text(request: httpx.Request) -> str:
    """Return the canonical request that was signed, without secrets; empty for one that is not signed."""
    claim = request.headers.get("authorization")
    if claim is None:
        return ""
    headers = {name: HIDDEN if name == TOKEN_HEADER else value for name, value in request.headers.items()}
    path, _, query = request.url.raw_path.decode("ascii").partition("?")
    content = payload_hash(request.content, headers.get(CONTENT_HEADER))
    return canonical_request(request.method, path, query, headers, parse_authorization(claim).signed, content)
