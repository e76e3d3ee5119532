"""HTTP/1.1 as servers speak it and break it, and the life of connections: client/http1.py."""

import asyncio
import contextlib
import gc
import gzip
import threading
import time
import warnings
import zlib

import httpx
import pytest

from fgnb.client import http1, transport
from fgnb.client.transport import HttpTransport
from fgnb.errors import AnswerLost, ConnectionFailed
from fgnb.wire import Request
from tests.stub import answer, kept, raw, reset, reset_after, stall

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"
BOUNDED = OK + b"content-length: 5\r\n\r\n"


def ask(way, body=b"{}", *, path="/", timeout=5.0):
    return way.send(Request(method="POST", path=path, body=body, timeout=timeout))


def talk(server, work, **options):
    """Return what ``await work(way)`` gives for a way to a stub, which is closed then."""

    async def whole():
        way = HttpTransport(server.url, **options)
        try:
            return await work(way)
        finally:
            await way.aclose()

    return asyncio.run(whole())


def ask_once(server, **request):
    return talk(server, lambda way: ask(way, **request))


def until(condition):
    """Wait until it holds, at most 5 s."""
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


async def all_closed(server):
    async with asyncio.timeout(5):
        while server.open:
            await asyncio.sleep(0.005)


# --- one answer ----------------------------------------------------------------------------------

PACKED = gzip.compress(b"hello")
PACKED_HEAD = OK + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n"

WHOLE = {
    "by its length": raw(BOUNDED + b"hello"),
    "byte by byte": raw(*(bytes([byte]) for byte in BOUNDED + b"hello")),
    "by the end of the connection": raw(OK + b"\r\nhel", b"lo", pause=0.02),
    "HTTP/1.0": raw(b"HTTP/1.0 200 OK\r\n\r\nhello"),
    "in chunks": raw(CHUNKED + b"2\r\nhe\r\n", b"3\r\nllo\r\n0\r\n\r\n"),
    "chunks with extensions": raw(CHUNKED + b"5;a=b\r\nhello\r\n0\r\n\r\n"),
    "with trailers": raw(CHUNKED + b"5\r\nhello\r\n0\r\nx-sum: 1\r\nstatus: 500\r\n\r\n"),
    "after 100": raw(b"HTTP/1.1 100 Continue\r\n\r\n" + BOUNDED + b"hello"),
    "after 102, and 103 with headers": raw(
        b"HTTP/1.1 102 Processing\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n",
        BOUNDED + b"hello",
        pause=0.01,
    ),
    "gzip": raw(PACKED_HEAD % len(PACKED) + PACKED),
    "x-gzip in chunks": raw(
        OK + b"content-encoding: X-GZip\r\ntransfer-encoding: chunked\r\n\r\n"
        b"4\r\n" + PACKED[:4] + b"\r\n%x\r\n" % (len(PACKED) - 4) + PACKED[4:] + b"\r\n0\r\n\r\n"
    ),
    "identity": raw(OK + b"content-encoding: identity\r\ncontent-length: 5\r\n\r\nhello"),
    "followed by what nobody asked for": raw(BOUNDED + b"hello" + b"HTTP/1.1 500 No\r\ncontent-length: 2\r\n\r\nno"),
    "followed by a beginning": raw(BOUNDED + b"hello" + b"HTTP/1.1 5"),
    "followed by noise": raw(BOUNDED + b"hello" + b"\x00\xff"),
    "a reset after the last byte": reset_after(BOUNDED + b"hello"),
}  # fmt: skip


@pytest.mark.parametrize("behaviour", WHOLE.values(), ids=WHOLE.keys())
def test_an_answer_is_whole(stub, behaviour):
    response = ask_once(stub(behaviour))
    assert (response.status, response.body) == (200, b"hello")
    assert not {"link", "x-sum", "status"} & response.headers.keys()


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_ends_with_its_headers(stub, status):
    server = stub(raw(b"HTTP/1.1 %d X\r\nx-request-id: r1\r\n\r\n" % status))
    response = ask_once(server)
    assert (response.status, response.body, response.headers["x-request-id"]) == (status, b"", "r1")


BOMB = gzip.compress(bytes(1_000_000))
LOST = {
    "nothing": (raw(b""), "the server closed the connection"),
    "a reset": (reset, "reset by peer"),
    "a reset within the answer": (reset_after(BOUNDED + b"he"), "in the middle of the answer"),
    "a reset within an answer without a length": (reset_after(OK + b"\r\nhel"), "in the middle of the answer"),
    "half a status line": (raw(b"HTTP/1.1 2"), "in the middle of the answer"),
    "half the headers": (raw(OK + b"content-le"), "in the middle of the answer"),
    "half the body": (raw(BOUNDED + b"he"), "in the middle of the answer"),
    "only 100": (raw(b"HTTP/1.1 100 Continue\r\n\r\n"), "the server closed the connection"),
    "no last chunk": (raw(CHUNKED + b"5\r\nhello\r\n"), "in the middle of the answer"),
    "half a chunk": (raw(CHUNKED + b"5\r\nhe"), "in the middle of the answer"),
    "half the trailers": (raw(CHUNKED + b"5\r\nhello\r\n0\r\nx: y\r\n"), "in the middle of the answer"),
    "a chunk without a size": (raw(CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n"), "not HTTP/1.1"),
    "a chunk longer than its size": (raw(CHUNKED + b"2\r\nhello\r\n0\r\n\r\n"), "not HTTP/1.1"),
    "a size beyond 64 bits": (raw(CHUNKED + b"f" * 17 + b"\r\nhello"), "not HTTP/1.1"),
    "two lengths": (raw(OK + b"content-length: 5\r\ncontent-length: 3\r\n\r\nhello"), "not HTTP/1.1"),
    "a length and chunks": (
        raw(OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        "not HTTP/1.1",
    ),
    "a negative length": (raw(OK + b"content-length: -5\r\n\r\nhello"), "not HTTP/1.1"),
    "HTTP/2": (raw(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00"), "not HTTP/1.1"),
    "another protocol": (
        raw(b"HTTP/1.1 101 Switching\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"),
        "the server wants another protocol",
    ),
    "gzip that is none": (answer(200, b"plain", content_encoding="gzip"), "not what gzip makes"),
    "gzip that is cut off": (answer(200, PACKED[:-3], content_encoding="gzip"), "the compressed answer is cut off"),
    "gzip with a wrong sum": (
        answer(200, PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:], content_encoding="gzip"),
        "not what gzip makes",
    ),
    "deflate": (answer(200, zlib.compress(b"hello"), content_encoding="deflate"), "'deflate', which was not asked"),
    "br": (answer(200, b"\x0b\x02\x80hello\x03", content_encoding="br"), "compressed by 'br', which was not asked for"),
    "a bomb": (answer(200, BOMB, content_encoding="gzip"), "the compressed answer has more than 100,000 bytes"),
    "a huge body": (answer(200, bytes(100_001)), "the answer has more than 100,000 bytes"),
    "a huge body in chunks": (
        raw(CHUNKED + b"5\r\nhello\r\n1869f\r\n" + bytes(99_999) + b"\r\n0\r\n\r\n"),
        "the answer has more than 100,000 bytes",
    ),
    "a body without end": (raw(OK + b"\r\n", *[bytes(9999)] * 100), "the answer has more than 100,000 bytes"),
    "a huge header": (raw(OK + b"x: ", *[b"y" * 9999] * 60), "headers have more than 131,072 bytes"),
    "trailers without end": (
        raw(CHUNKED + b"5\r\nhello\r\n0\r\n", *[b"x: y\r\n" * 1000] * 100),
        "trailers have more than 131,072 bytes",
    ),
    "headers without end": (raw(OK, *[b"x: y\r\n" * 1000] * 100), "headers have more than 131,072 bytes"),
}  # fmt: skip


@pytest.mark.parametrize(("behaviour", "reason"), LOST.values(), ids=LOST.keys())
def test_an_answer_that_cannot_be_trusted_is_lost(stub, monkeypatch, behaviour, reason):
    for module in (http1, transport):
        monkeypatch.setattr(module, "BODY_LIMIT", 100_000)
    server = stub(behaviour)
    with pytest.raises(AnswerLost, match=reason):
        ask_once(server)
    assert len(server.requests) == 1


def test_a_body_as_large_as_it_may_be_is_read(stub, monkeypatch):
    for module in (http1, transport):
        monkeypatch.setattr(module, "BODY_LIMIT", 100_000)
    assert len(ask_once(stub(answer(200, bytes(100_000)))).body) == 100_000
    assert len(ask_once(stub(answer(200, gzip.compress(bytes(99_999)), content_encoding="gzip"))).body) == 99_999


@pytest.mark.parametrize("stays", [True, False])
def test_a_server_that_speaks_first_is_not_sent_anything(stub, stays):
    greeting = b"220 mail.example.com ESMTP\r\n"
    server = stub(lambda connection: connection.sendall(greeting) or (stays and stall(connection)), greets=True)

    async def slowly(event, info):
        await asyncio.sleep(0.1)  # until that has arrived

    async def whole():
        request = httpx.Request("POST", server.url, content=b"{}", extensions={"trace": slowly})
        way = http1.Http1Transport()
        try:
            with pytest.raises(httpx.ConnectError, match="before the request was sent"):
                await way.handle_async_request(request)
        finally:
            await way.aclose()

    asyncio.run(whole())


# --- what is sent --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", {"x-a": "1\r\nx-b: 2"}),
        ("/", {"x-a": "1\nx-b: 2"}),
        ("/", {"x-a": "1\rx-b: 2"}),
        ("/", {"x-a": "1\0"}),
        ("/", {"x-a\r\nx-b": "1"}),
    ],
)
def test_a_header_can_not_bring_another_one(stub, path, headers):
    server = stub(kept(200))
    with pytest.raises(ConnectionFailed, match="a character that it must not"):
        talk(server, lambda way: way.send(Request(method="POST", path=path, headers=headers, timeout=5)))
    assert server.requests == []


@pytest.mark.parametrize("method", ["POST / HTTP/1.1\r\nx-a: 1\r\n\r\nGET", "POST /other"])
def test_a_method_can_not_bring_a_path_or_a_header(stub, method):
    server = stub(kept(200))
    request = httpx.Request("POST", server.url)
    request.method = method

    async def whole():
        way = http1.Http1Transport()
        try:
            with pytest.raises(httpx.LocalProtocolError):
                await way.handle_async_request(request)
        finally:
            await way.aclose()

    asyncio.run(whole())
    assert server.requests == []


@pytest.mark.parametrize("size", [0, 1, 65_536, 65_537, 5_000_000])
def test_a_body_arrives_as_it_was_sent(stub, size):
    server = stub(kept(200))
    body = bytes(range(256)) * (size // 256 + 1)
    ask_once(server, body=body[:size])
    assert server.requests[0][2] == body[:size]


def test_an_answer_that_comes_before_the_request_is_out_is_taken(stub):
    """A gateway refuses by the length alone; the connection is not used again."""

    def refuse(connection):
        connection.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\n{}")
        released.wait(10)

    released = threading.Event()
    server = stub(refuse, greets=True)

    async def work(way):
        first = await ask(way, body=bytes(30_000_000))
        server.greets = False
        server.script[:] = [kept(200)]
        return first.status, (await ask(way)).status

    try:
        assert talk(server, work) == (413, 200)
    finally:
        released.set()
    assert server.connections == 2


def test_an_answer_that_comes_too_late_reaches_nobody(stub):
    def late(connection):
        time.sleep(0.1)
        return kept(200, {"n": 1})(connection)

    server = stub(late, kept(200, {"n": 2}))

    async def work(way):
        with pytest.raises(AnswerLost, match=r"within 0\.05 s"):
            await ask(way, timeout=0.05)
        await asyncio.sleep(0.1)
        return await ask(way)

    assert talk(server, work).body == b'{"n": 2}'
    assert server.connections == 2


# --- connections ---------------------------------------------------------------------------------


def test_a_connection_is_used_again(stub):
    server = stub(kept(200))

    async def work(way):
        return [(await ask(way, path=f"/{number}")).status for number in range(20)]

    assert talk(server, work) == [200] * 20
    assert (server.connections, len(server.requests)) == (1, 20)
    until(lambda: server.open == 0)


UNUSABLE = {
    "connection: close": kept(200, connection="close"),
    "HTTP/1.0": raw(b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n"),
    "an answer too many": kept(200, b"hello", extra=b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged"),
    "half an answer too many": kept(200, b"hello", extra=b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nfor"),
    "a byte too many": kept(200, b"hello", extra=b"H"),
    "noise": kept(200, b"hello", extra=b"\0\0"),
    "an upgrade refused": kept(101),
    "a broken answer": kept(200, b"hello", content_length="3"),
    "undecodable": kept(200, b"hello", content_encoding="br"),
}


@pytest.mark.parametrize("behaviour", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_connection_of_doubtful_state_is_not_used_again(stub, behaviour):
    server = stub(behaviour, kept(200, b"second"))

    async def work(way):
        with contextlib.suppress(AnswerLost):
            await ask(way)
        return await ask(way)

    assert talk(server, work).body == b"second"
    if behaviour is not UNUSABLE["undecodable"]:  # there, HTTP itself was fine
        assert server.connections == 2


@pytest.mark.parametrize(
    "tells", [b"", b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n"], ids=["end", "408"]
)
def test_a_connection_that_the_server_closed_meanwhile_costs_no_run(stub, tells):
    """Its end has arrived, but the event loop was busy and has not read it: the worst moment."""

    def close_after_answer(connection):
        connection.sendall(BOUNDED + b"first")
        proceed.wait(10)
        connection.sendall(tells)

    proceed = threading.Event()
    server = stub(close_after_answer, kept(200, b"second"))

    async def work(way):
        await ask(way)
        proceed.set()
        until(lambda: server.open == 0)  # blocks the event loop
        return await ask(way)

    assert talk(server, work).body == b"second"
    assert (server.connections, len(server.requests)) == (2, 2)


def test_a_connection_that_is_closed_as_the_request_arrives_is_not_tried_again(stub):
    server = stub(kept(200), raw(b""))

    async def work(way):
        await ask(way)
        with pytest.raises(AnswerLost):
            await ask(way)

    talk(server, work)
    assert (server.connections, len(server.requests)) == (1, 2)


def test_what_was_idle_for_too_long_is_closed_and_not_used(stub, monkeypatch):
    monkeypatch.setattr(http1, "IDLE", 0.05)
    server = stub(kept(200))

    async def work(way):
        await asyncio.gather(*(ask(way) for _ in range(5)))
        opened = server.connections
        await all_closed(server)
        await ask(way)
        time.sleep(0.06)  # blocks the event loop, so that nothing is closed for its age
        await ask(way)
        return opened

    assert talk(server, work) == server.connections - 2


def test_the_connection_used_last_goes_first_so_that_a_sweeps_others_are_closed(stub, monkeypatch):
    monkeypatch.setattr(http1, "IDLE", 0.15)
    server = stub(kept(200))

    async def work(way):
        await asyncio.gather(*(ask(way) for _ in range(5)))
        opened = server.connections
        while server.open > 1:
            await ask(way)
            await asyncio.sleep(0.01)
        await ask(way)
        assert server.connections == opened
        await all_closed(server)

    talk(server, work)


def test_the_last_connection_is_closed_for_its_age_too(stub, monkeypatch):
    monkeypatch.setattr(http1, "IDLE", 0.1)
    server = stub(kept(200))

    async def work(way):
        await ask(way)
        await asyncio.sleep(0.05)
        await ask(way)  # so that it is too young when its age is looked at first
        await all_closed(server)

    talk(server, work)
    assert server.connections == 1


def test_as_many_connections_as_requests_at_once_and_no_more(stub):
    together = threading.Barrier(200)

    def at_once(connection):
        together.wait(20)
        return kept(200)(connection)

    server = stub(at_once)

    async def work(way):
        for _ in range(3):
            answers = await asyncio.gather(*(ask(way, timeout=20) for _ in range(200)))
            assert [each.status for each in answers] == [200] * 200

    talk(server, work)
    assert (server.connections, len(server.requests)) == (200, 600)
    until(lambda: server.open == 0)


def test_one_event_loop_after_another(stub):
    server = stub(kept(200))
    way = HttpTransport(server.url)

    async def last():
        await ask(way)
        await way.aclose()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the first two end without having closed their connections
        assert asyncio.run(ask(way)).status == 200
        assert asyncio.run(ask(way)).status == 200
        asyncio.run(last())
        gc.collect()
    assert (server.connections, len(server.requests)) == (3, 3)
    until(lambda: server.open == 0)


def test_closing_on_another_event_loop_ends_it_all_the_same(stub):
    server = stub(kept(200))
    way = HttpTransport(server.url)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the connection is that of a loop which has ended
        assert asyncio.run(ask(way)).status == 200
        asyncio.run(way.aclose())
        gc.collect()
    with pytest.raises(ConnectionFailed, match="closed"):
        asyncio.run(ask(way))
    until(lambda: server.open == 0)


def test_a_cancelled_request_closes_its_connection(stub):
    server = stub(stall, kept(200))

    async def work(way):
        task = asyncio.ensure_future(ask(way))
        while not server.requests:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await all_closed(server)
        return await ask(way)

    assert talk(server, work).status == 200
    assert server.connections == 2


def test_closing_ends_what_is_under_way_as_lost(stub):
    server = stub(stall)

    async def work(way):
        tasks = [asyncio.ensure_future(ask(way)) for _ in range(3)]
        while len(server.requests) < 3:
            await asyncio.sleep(0.005)
        await way.aclose()
        return await asyncio.gather(*tasks, return_exceptions=True)

    ended = talk(server, work)
    assert [type(each) for each in ended] == [AnswerLost] * 3
    assert all("the client was closed" in str(each) for each in ended)
    until(lambda: server.open == 0)
