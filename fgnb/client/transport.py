"""The way to a service over the network: httpx's transports behind `fgnb.wire.Transport`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import ssl
import time
import warnings
import zlib
from collections.abc import AsyncIterable, Callable, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import httpx

from fgnb import __version__, jsontext
from fgnb.background import forget_in_child
from fgnb.client.auth import SigningAuth, signed_text
from fgnb.client.http1 import BODY_LIMIT, SENDING, Http1Transport
from fgnb.config import CONNECT_TIMEOUT, proxy_of_environment
from fgnb.errors import AnswerLost, ConfigError, ConnectionFailed, InputError, SecurityWarning
from fgnb.profiles import NO_PROXY
from fgnb.secret import HIDDEN, Secret
from fgnb.signature import AUTH_TOKEN_HEADER, TOKEN_HEADER
from fgnb.wire import REQUEST_ID_HEADER, Request, Response

MARGIN = 1.0  # seconds beyond those for a connection, which a proxy may need for its part
SHORTEST = 12  # characters of what can be a token rather than a word of the answer
SHOWN = 4096  # bytes of a body in a log, where bodies are asked for

_HEADERS = {"user-agent": f"fgnb/{__version__}", "accept": "*/*", "accept-encoding": "gzip"}

# Raised before the request's first byte went out, whatever the transport
_NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.LocalProtocolError,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
)
_TOKEN_HEADERS = (TOKEN_HEADER.encode(), AUTH_TOKEN_HEADER.encode())
_CLOSED = "the client was closed"
_log = logging.getLogger("fgnb.client")


class HttpTransport:
    """Sends requests to `endpoint`, e.g. ``http://127.0.0.1:9000``, each exactly once.

    All its calls belong on one event loop. Redirects are not followed: none is documented, a followed
    one could start a run twice, and its target would get the credentials. Cookies are not kept.

    Args:
        endpoint: the URL of the service.
        auth: who is asking; nobody in particular by default.
        connect_timeout: seconds to wait for a connection.
        verify: whether certificates are checked; warns if not.
        ca_bundle: a file or folder of certificate authorities, instead of certifi's.
        proxy: the URL of a proxy, ``none``, or None for that of the environment (``HTTPS_PROXY``,
            ``NO_PROXY``, ...), which is not used for this machine itself.
        log_bodies: whether bodies are logged, at level DEBUG to ``fgnb.client``.
        http: carries the requests instead of what the above asks for; e.g. `httpx.MockTransport`.

    Raises:
        ConfigError: the proxy or the CA bundle can't be used.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        auth: SigningAuth | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
        verify: bool = True,
        ca_bundle: Path | None = None,
        proxy: Secret | None = None,
        log_bodies: bool = False,
        http: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.endpoint = endpoint.rstrip("/")
        self._auth = auth
        self._connect_timeout = connect_timeout
        self._log_bodies = log_bodies
        self._verify = verify
        self._ca_bundle = ca_bundle
        self._proxy = proxy_of_environment(self.endpoint) if proxy is None else proxy
        if self._proxy is not None and self._proxy.reveal() == NO_PROXY:
            self._proxy = None
        if not verify and self.endpoint.startswith("https:"):
            warnings.warn(
                f"certificates are not checked (verify=False): whoever is on the way to {self.endpoint} can read and "
                "change what is sent; rather give ca_bundle=",
                SecurityWarning,
                stacklevel=4,
            )
        if self._proxy is not None:
            _check_proxy(self._proxy)
        if verify and ca_bundle is not None:
            self._tls()  # a bundle that can't be read is an error now, not at the first request
        self._given = http
        self._http: httpx.AsyncBaseTransport | None = None
        self._closed = False
        self._url: tuple[str, httpx.URL] | None = None  # the latest path and its URL, for a sweep's sake
        forget_in_child(self)

    async def send(self, request: Request) -> Response:
        """Send a request once; see `fgnb.wire.Transport.send`."""
        if self._url is None or self._url[0] != request.path:
            self._url = (request.path, httpx.URL(self.endpoint + request.path))
        timeout, loop_time = request.timeout, asyncio.get_running_loop().time
        connect = self._connect_timeout if timeout is None else min(self._connect_timeout, timeout)
        trace = _Trace(request.on_sending)
        asked = httpx.Request(
            request.method,
            self._url[1],
            headers={**_HEADERS, **request.headers},
            content=request.body,
            extensions={"timeout": {"connect": connect}, "trace": trace},
        )
        if self._auth is not None:
            await self._auth.authorize(asked)
        if self._closed:
            raise ConnectionFailed(_CLOSED)
        started = time.perf_counter()
        try:
            # Until it is sent, it is the connection that is waited for: that of a proxy as well.
            async with asyncio.timeout(connect + MARGIN) as limit:
                trace.then(lambda: limit.reschedule(None if timeout is None else loop_time() + timeout))
                if self._given is not None:
                    trace.mark()  # it may have other events, or none
                answer = await self._transport().handle_async_request(asked)
                headers = {n.decode("latin-1").lower(): value.decode("latin-1") for n, value in answer.headers.raw}
                body = _unpacked(await _read(answer), headers.get("content-encoding", ""))
        except (httpx.HTTPError, TimeoutError) as error:
            late = isinstance(error, httpx.ReadTimeout | TimeoutError)
            unsent = isinstance(error, _NOT_SENT) or not trace.sent
            if self._closed:
                reason = _CLOSED
            elif late:
                reason = f"no connection within {connect:g} s" if unsent else f"no answer within {timeout:g} s"
            else:
                reason = _reason(error)
            self._logged(asked, started, reason)
            if unsent:
                raise ConnectionFailed(f"can't connect to {self.endpoint}{self._by_proxy()}: {reason}") from None
            if late or self._closed:
                raise AnswerLost(reason) from None
            raise AnswerLost(f"the connection was lost before the answer was complete: {reason}") from None
        body = _without_tokens(body, asked, refused=answer.status_code >= 300)
        self._logged(asked, started, str(answer.status_code), headers.get(REQUEST_ID_HEADER.lower()), body)
        canonical = signed_text(asked) if answer.status_code == 401 else ""
        if answer.status_code == 401 and self._auth is not None:
            self._auth.source.refused()
        return Response(status=answer.status_code, headers=headers, body=body, canonical=canonical)

    def _logged(
        self, asked: httpx.Request, started: float, end: str, request_id: str | None = None, body: bytes = b""
    ) -> None:
        if not _log.isEnabledFor(logging.DEBUG):
            return
        elapsed = (time.perf_counter() - started) * 1000
        _log.debug("%s %s: %s after %.0f ms, request id %s", asked.method, asked.url, end, elapsed, request_id or "-")
        if self._log_bodies:
            _log.debug("sent %s", asked.content[:SHOWN].decode(errors="replace"))
            _log.debug("got %s", body[:SHOWN].decode(errors="replace"))

    async def aclose(self) -> None:
        """Close the connections; what is under way ends with an error that says so."""
        self._closed = True
        if self._http is not None:
            http, self._http = self._http, None
            await http.aclose()

    def forget(self) -> None:
        """Leave the connections to themselves: in the child of a fork, they are the parent's."""
        self._http = None

    def _transport(self) -> httpx.AsyncBaseTransport:
        if self._http is None:
            if self._given is not None:
                self._http = self._given
            elif self._proxy is None:
                self._http = Http1Transport(self._tls)
            else:
                # A request that waits for a free connection would use up its time unsent.
                limits = httpx.Limits(max_connections=None)
                self._http = httpx.AsyncHTTPTransport(
                    verify=self._tls(), proxy=self._proxy.reveal(), limits=limits, trust_env=False
                )
        return self._http

    def _tls(self) -> ssl.SSLContext:
        """Return how connections are secured.

        Raises:
            ConfigError: the certificate authorities can't be read.
        """
        try:
            if not self._verify:
                context = ssl.create_default_context()
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                return context
            if self._ca_bundle is None:
                return httpx.create_ssl_context()
            if self._ca_bundle.is_dir():
                return ssl.create_default_context(capath=self._ca_bundle)
            return ssl.create_default_context(cafile=self._ca_bundle)
        except OSError as error:  # ssl.SSLError is one
            which = self._ca_bundle or "that the environment names (SSL_CERT_FILE, SSL_CERT_DIR, SSLKEYLOGFILE)"
            raise ConfigError(f"the CA bundle {which} can't be used: {_reason(error)}") from None

    def _by_proxy(self) -> str:
        if self._proxy is None:
            return ""
        parts = urlsplit(self._proxy.reveal())
        return f" by the proxy {parts.scheme}://{parts.hostname}:{parts.port or ''}"


def _without_tokens(body: bytes, asked: httpx.Request, *, refused: bool) -> bytes:
    """Return a body without the tokens that were sent: gateways repeat what was signed, in refusals mostly."""
    tokens = [value for name, value in asked.headers.raw if name.lower() in _TOKEN_HEADERS and len(value) >= SHORTEST]
    if tokens and refused:
        with contextlib.suppress(ValueError, InputError):
            body = jsontext.dumps(jsontext.loads_answer(body))  # JSON can write the same text in several ways
    for token in tokens:
        body = body.replace(json.dumps(token.decode())[1:-1].encode(), HIDDEN.encode()).replace(token, HIDDEN.encode())
    return body


class _Trace:
    """Tells of the moment from which on a request may arrive; called by httpx's transports."""

    def __init__(self, on_sending: Callable[[], None] | None) -> None:
        self._on_sending = [] if on_sending is None else [on_sending]
        self.sent = False

    def then(self, action: Callable[[], None]) -> None:
        self._on_sending.append(action)

    def mark(self) -> None:
        self.sent = True
        for action in self._on_sending:
            action()

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        # A request to a proxy for a tunnel comes first.
        if event == SENDING and info["request"].method not in ("CONNECT", b"CONNECT"):
            self.mark()


async def _read(answer: httpx.Response) -> bytes:
    """Return an answer's body as it came.

    Raises:
        httpx.HTTPError: it is incomplete, or too large.
    """
    chunks, size = [], 0
    try:
        async for chunk in cast(AsyncIterable[bytes], answer.stream):
            chunks.append(chunk)
            size += len(chunk)
            if size > BODY_LIMIT:
                raise httpx.RemoteProtocolError(f"the answer has more than {BODY_LIMIT:,} bytes")
    finally:
        await answer.aclose()
    return b"".join(chunks)


def _unpacked(body: bytes, encoding: str) -> bytes:
    """Return a body without its content encoding.

    Raises:
        httpx.DecodingError: it is another than was asked for, or the body is not of it, incomplete, or too large.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity") or not body:
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise httpx.DecodingError(f"the answer is compressed by {encoding!r:.40}, which was not asked for")
    unpack = zlib.decompressobj(wbits=31)  # of gzip's format
    try:
        plain = unpack.decompress(body, BODY_LIMIT)
    except zlib.error as error:
        raise httpx.DecodingError(f"the answer is not what gzip makes: {error}") from None
    if not unpack.eof:
        reason = "is cut off" if len(plain) < BODY_LIMIT else f"has more than {BODY_LIMIT:,} bytes"
        raise httpx.DecodingError(f"the compressed answer {reason}")
    return plain


def _check_proxy(proxy: Secret) -> None:
    try:
        httpx.AsyncHTTPTransport(proxy=proxy.reveal(), verify=False)  # nothing is opened: it says whether it could be
    except ImportError:
        raise ConfigError("a SOCKS proxy takes a package more: pip install 'httpx[socks]'") from None
    except (ValueError, httpx.InvalidURL):
        raise ConfigError("the proxy is not a URL such as http://proxy.example.com:3128") from None


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
