"""HTTP/1.1 on asyncio behind httpx's transport interface: few layers, connections kept alive.

httpx's own pool looks at all its connections at every request, so that its cost grows with what is
under way at once; here a request costs the same among 16 and among 1,000. Texts are parsed by
llhttp (httptools). Proxies are left to httpx's own transport; see `fgnb.client.transport`.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from collections.abc import AsyncIterator, Callable

import httptools
import httpx

# Idle connections are used again for this many seconds, which is less than servers commonly keep
# them (uvicorn: 5): a request that meets a closing connection is lost, and must not be sent twice.
IDLE = 4.0
HEAD_LIMIT = 128 * 1024  # bytes of a status line and headers
BODY_LIMIT = 256 * 1024 * 1024  # bytes; a streaming workflow may answer with 200 MB
SENDING = "http11.send_request_headers.started"  # as httpx's own transport calls it
PROBE_AFTER = 60  # seconds of silence before the first keep-alive probe, which NAT boxes want to see

Origin = tuple[str, str, int]


class Http1Transport(httpx.AsyncBaseTransport):
    """Sends requests over connections of its own, as many as are under way at once.

    Answers are read whole. Timeouts are those of httpx's ``timeout`` extension: ``connect`` and
    ``read``, which here is the time until the answer is complete. Of httpx's trace events, there is
    `SENDING`.

    Args:
        tls: makes the context for https, when the first such connection is opened.
    """

    def __init__(self, tls: Callable[[], ssl.SSLContext] = httpx.create_ssl_context) -> None:
        self._make_tls = tls
        self._tls: ssl.SSLContext | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._idle: dict[Origin, list[_Connection]] = {}  # the one used last at the end
        self._busy: set[_Connection] = set()
        self._pruning: asyncio.TimerHandle | None = None
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request once and return the whole answer.

        Raises:
            httpx.ConnectError, httpx.ConnectTimeout: nothing was sent.
            httpx.TransportError: anything else; it may have arrived.
            httpx.LocalProtocolError: the request can't be written; nothing was sent.
        """
        url = request.url
        origin = (url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80))
        patience = request.extensions.get("timeout", {}).get("connect")
        connection = self._taken(origin) or await self._opened(origin, patience)
        trace = request.extensions.get("trace")
        self._busy.add(connection)
        try:
            if trace is not None:
                await trace(SENDING, {"request": request})
            await connection.exchange(request)
        except BaseException:  # cancelled as well: what comes later belongs to nobody
            connection.abort()
            raise
        finally:
            self._busy.discard(connection)
        response = httpx.Response(
            connection.status, headers=connection.headers, stream=_Whole(bytes(connection.body)), request=request
        )
        if connection.reusable:
            self._keep(origin, connection)
        else:
            connection.abort()
        return response

    async def aclose(self) -> None:
        """Close the connections for good; what is under way fails with `httpx.ReadError`, what connects as unsent."""
        self._closed = True
        if self._pruning is not None:
            self._pruning.cancel()
            self._pruning = None
        idle, self._idle = self._idle, {}
        if self._loop is asyncio.get_running_loop():
            for connection in self._busy:
                connection.fail(httpx.ReadError("the client was closed"))
            for connections in idle.values():
                for connection in connections:
                    connection.abort()

    def _taken(self, origin: Origin) -> _Connection | None:
        """Return an idle connection that is still good, if there is one."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # those of another loop can't be used, nor closed, here
            self._loop, self._idle, self._busy, self._pruning = loop, {}, set(), None
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.reusable and not connection.has_news() and loop.time() - connection.used < IDLE:
                return connection
            connection.abort()
        return None

    def _keep(self, origin: Origin, connection: _Connection) -> None:
        self._idle.setdefault(origin, []).append(connection)
        if self._pruning is None and self._loop is not None:
            self._pruning = self._loop.call_later(IDLE, self._prune)

    def _prune(self) -> None:
        """Close what has been idle for too long."""
        self._pruning = None
        assert self._loop is not None  # noqa: S101  # it called
        oldest = self._loop.time() - IDLE
        for origin, connections in list(self._idle.items()):
            fresh = [connection for connection in connections if connection.used > oldest]
            for connection in connections[: len(connections) - len(fresh)]:
                connection.abort()
            if fresh:
                self._idle[origin] = fresh
                self._pruning = self._pruning or self._loop.call_later(IDLE, self._prune)
            else:
                del self._idle[origin]

    async def _opened(self, origin: Origin, timeout: float | None) -> _Connection:
        scheme, host, port = origin
        loop = asyncio.get_running_loop()
        if scheme == "https" and self._tls is None:
            # Reading the certificates takes some 20 ms, which the loop's other work need not wait for.
            self._tls = await loop.run_in_executor(None, self._make_tls)
        try:
            async with asyncio.timeout(timeout):
                _, connection = await loop.create_connection(
                    lambda: _Connection(loop),
                    host,
                    port,
                    ssl=self._tls if scheme == "https" else None,
                    happy_eyeballs_delay=0.25,
                )
        except TimeoutError:
            raise httpx.ConnectTimeout(f"no connection within {timeout:g} s") from None
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError; ValueError: a name that is none
            raise httpx.ConnectError(str(error) or type(error).__name__) from None
        if self._closed:
            connection.abort()
            raise httpx.ConnectError("the client was closed")
        return connection


class _Connection(asyncio.Protocol):
    """A connection, with at most one request under way."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._poll: select.poll | None = None
        self._open = False
        self._reset()
        self.used = 0.0  # when its latest answer was complete, on the loop's clock

    def _reset(self) -> None:
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = bytearray()
        self._head_size = 0
        self._in_body = self._done = False
        self.reusable = False

    async def exchange(self, request: httpx.Request) -> None:
        """Send a request and wait until `status`, `headers` and `body` are those of its answer."""
        self._reset()
        if not self._open:
            raise httpx.ConnectError("the server closed the connection before the request was sent")
        waiter = self._waiter = self._loop.create_future()
        try:
            self._transport.writelines(_written(request))  # kept in no variable, since it may hold a token
            await waiter
        finally:
            self._waiter = None
        # An answer that came before the request was out: the rest would be taken for the next request.
        self.reusable = self.reusable and not self._transport.get_write_buffer_size()
        self.used = self._loop.time()

    def has_news(self) -> bool:
        """Whether something has arrived that the loop has not read yet: at an idle connection, most likely its end."""
        return self._poll is not None and bool(self._poll.poll(0))

    def abort(self) -> None:
        self._open = self.reusable = False
        self._transport.abort()

    def fail(self, error: httpx.TransportError) -> None:
        """End what is under way with `error`."""
        self.reusable = False
        self._done = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)

    def _complete(self) -> None:
        self._done = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  # TCP and TLS both are
        self._transport = transport
        self._open = True
        connected: socket.socket = transport.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, PROBE_AFTER)
        if hasattr(select, "poll"):  # not on Windows
            self._poll = select.poll()
            self._poll.register(connected.fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if self._waiter is None or self._done:  # nobody asked for it
            self.abort()
            return
        if not self._in_body:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.fail(httpx.RemoteProtocolError("the server wants another protocol"))
        except httptools.HttpParserError as error:
            self.fail(httpx.RemoteProtocolError(f"the answer is not HTTP/1.1: {error}"))
        if not self._in_body and self._head_size > HEAD_LIMIT:
            self.fail(httpx.RemoteProtocolError(f"the answer's headers have more than {HEAD_LIMIT:,} bytes"))

    def connection_lost(self, error: Exception | None) -> None:
        self._open = False
        if self._in_body and not self._done and error is None and not self._has_length():
            self._complete()  # such an answer ends with its connection
        elif self._in_body or self._head_size:
            self.fail(httpx.RemoteProtocolError("the connection was closed in the middle of the answer"))
        else:
            self.fail(httpx.ReadError(str(error) if error else "the server closed the connection"))
        self.reusable = False

    def _has_length(self) -> bool:
        return any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self.headers)

    # What the parser calls

    def on_message_begin(self) -> None:
        if self._done:  # the parser stops, and the connection is not used again
            raise ValueError("a second answer to one request")

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_body:
            self.headers.append((name, value))
            return
        self._head_size += len(name) + len(value)  # a trailer, which nobody reads
        if self._head_size > HEAD_LIMIT:
            self.fail(httpx.RemoteProtocolError(f"the answer's trailers have more than {HEAD_LIMIT:,} bytes"))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._in_body = True

    def on_body(self, chunk: bytes) -> None:
        if len(self.body) + len(chunk) > BODY_LIMIT:
            self.fail(httpx.RemoteProtocolError(f"the answer has more than {BODY_LIMIT:,} bytes"))
        else:
            self.body += chunk

    def on_message_complete(self) -> None:
        if 100 <= self.status < 200:  # the answer proper is still to come
            self._reset()
        else:
            self.reusable = self._parser.should_keep_alive()
            self._complete()


class _Whole(httpx.AsyncByteStream):
    """A body that is there already."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body


def _written(request: httpx.Request) -> list[bytes]:
    """Return a request as it goes over the connection."""
    lines = [request.method.encode("ascii") + b" " + request.url.raw_path + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in request.headers.raw]
    head = b"\r\n".join(lines)
    # httpx passes on what it is given: a line break in a value would be a header of its own.
    breaks = len(lines) - 1
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head or lines[0].count(b" ") != 2:
        raise httpx.LocalProtocolError("a header or the path holds a character that it must not")
    body = request.content
    head += b"\r\n\r\n"
    return [head, body] if len(body) > 65536 else [head + body]  # small ones in one packet
