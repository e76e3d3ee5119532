"""A served service under callers that come, stall and go: no answer is lost or crossed, and it stays healthy."""

import asyncio
import contextlib
import json
import random
import socket
import struct
from urllib.parse import urlsplit
from uuid import uuid4

from fgnb.client.transport import HttpTransport
from fgnb.wire import Request
from tests.flows import PATH, action, flow, state

CONNECTIONS = 200
EACH = 10  # requests of a connection, or of those that take its place after a cut
PATIENCE = 60.0  # seconds until all should long have been answered

# How a request goes, and how often: as a whole, two at once, in slow pieces, cut off in its head or its
# body, or with nobody there to take the answer.
MANNERS = {"whole": 8, "two": 3, "slow": 2, "head": 2, "body": 2, "gone": 3}


class Caller:
    """Makes requests over a connection, one manner after the other, and checks every answer it waits for."""

    def __init__(self, url, path, seed):
        self.host, self.port = urlsplit(url).hostname, urlsplit(url).port
        self.path = path
        self.random = random.Random(seed)
        self.numbers = iter(range(seed * EACH, (seed + 1) * EACH))
        self.answered = []
        self.cut = []
        self.writer = None

    def request(self, number):
        """Return the head and the body of a request that carries a number, and more of some length."""
        pad = "流" * self.random.choice([0, 1, 50, 5000])
        body = json.dumps({"input": {"n": number, "pad": pad}}).encode()
        head = (
            f"POST {self.path} HTTP/1.1\r\nhost: {self.host}:{self.port}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode(), body

    async def connect(self):
        if self.writer is None:
            self.reader, self.writer = await asyncio.open_connection(self.host, self.port)

    async def hang_up(self):
        """Close the connection, by a reset or in order."""
        if self.random.random() < 0.5:
            linger = struct.pack("ii", 1, 0)
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()
        self.writer = None

    async def answer(self, number):
        head = await self.reader.readuntil(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        body = json.loads(await self.reader.readexactly(int(fields["content-length"])))
        assert lines[0].startswith("HTTP/1.1 200"), (lines[0], body)
        assert (body["status"], body["output"]["n"]) == ("success", number)
        self.answered.append(number)

    async def call(self):
        for number in self.numbers:
            await self.connect()
            (manner,) = self.random.choices(list(MANNERS), list(MANNERS.values()))
            head, body = self.request(number)
            if manner == "whole":
                self.writer.write(head + body)
                await self.answer(number)
            elif manner == "two":
                following = next(self.numbers, None)
                others = () if following is None else (following,)
                self.writer.write(head + body + b"".join(b"".join(self.request(other)) for other in others))
                for one in (number, *others):
                    await self.answer(one)
            elif manner == "slow":
                for piece in self.pieces(head + body):
                    self.writer.write(piece)
                    await asyncio.sleep(self.random.uniform(0, 0.02))
                await self.answer(number)
            else:
                await self.leave(manner, head, body)
                self.cut.append(number)
        if self.writer is not None:
            await self.hang_up()

    async def leave(self, manner, head, body):
        """Send a part of a request, or all of it, and go away."""
        sent = {
            "head": head[: self.random.randrange(1, len(head))],
            "body": head + body[: self.random.randrange(len(body))],
            "gone": head + body,
        }
        self.writer.write(sent[manner])
        with contextlib.suppress(OSError):
            await self.writer.drain()
        await asyncio.sleep(self.random.choice([0, 0, 0.001, 0.01]))
        await self.hang_up()

    def pieces(self, data):
        places = sorted(self.random.randrange(len(data)) for _ in range(4))
        return [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]


def test_no_answer_is_lost_or_crossed_when_callers_stall_and_go(serve):
    async def storm():
        transport = HttpTransport(serve)
        headers = {"content-type": "application/json"}

        async def ask(path, value):
            body = json.dumps(value).encode()
            response = await transport.send(Request(method="POST", path=path, headers=headers, body=body, timeout=20))
            return response.status, json.loads(response.body)

        try:
            definition = flow(state("s", action("echo")), name=f"stress-{uuid4()}")
            status, created = await ask(PATH, definition)
            assert status == 201
            path = f"{PATH}/{created['id']}/sync-executions"
            callers = [Caller(serve, path, number) for number in range(CONNECTIONS)]
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*(caller.call() for caller in callers))
            after = [await ask(path, {"input": {"n": number}}) for number in range(20)]
        finally:
            await transport.aclose()
        return callers, after

    callers, after = asyncio.run(storm())
    answered = [number for caller in callers for number in caller.answered]
    cut = [number for caller in callers for number in caller.cut]
    assert sorted(answered + cut) == list(range(CONNECTIONS * EACH))
    assert len(answered) > 1000
    assert len(cut) > 500
    assert [(status, body["output"]) for status, body in after] == [(200, {"n": number}) for number in range(20)]
