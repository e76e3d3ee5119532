"""Sends requests over a transport, again where nothing can have run, and reads the answers."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, TypeVar

from fgnb import jsontext
from fgnb.background import forget_in_child
from fgnb.client.outcome import Attempt
from fgnb.client.pace import Pace
from fgnb.client.refusal import error_body, hint, kind_of, may_send_again, message_of
from fgnb.client.retry import CONNECTS, Retry
from fgnb.config import RETRY_FOR
from fgnb.errors import AnswerLost, ConnectionFailed
from fgnb.wire import REQUEST_ID_HEADER, Request, Response, Transport, parse

CALL_TIMEOUT = 60.0  # seconds to wait for the answer to anything but an execution

T = TypeVar("T")

_log = logging.getLogger("fgnb.client")


class Caller:
    """The calls of one client to one endpoint.

    Args:
        transport: the way there.
        retry_for: seconds in which another attempt may begin, where nothing can have run; 0 for never.
    """

    def __init__(self, transport: Transport, *, retry_for: float = RETRY_FOR) -> None:
        self.transport = transport
        self.retry_for = retry_for
        self.under_way = 0
        self._closed = False
        forget_in_child(self)

    def forget(self) -> None:
        """Start with nothing under way, in the child of a fork."""
        self.under_way = 0

    async def send(
        self, method: str, path: str, *, body: bytes = b"", timeout: float, attempt: Attempt | None = None,
        headers: dict[str, str] | None = None,
    ) -> Response:  # fmt: skip
        """Send a request and return its answer, whatever that is.

        It is sent again only after a connection that never came up, and after an answer that says that
        nothing ran for want of room (429, and 503 of the gateway).

        Args:
            method: of HTTP.
            path: percent-encoded, with the query.
            body: JSON.
            timeout: seconds to wait for the answer, at each attempt.
            attempt: kept up to date: whether it was sent, how often.
            headers: besides the content type.

        Raises:
            ConnectionFailed: the connection never came up, or the client was closed.
            AnswerLost: it was sent, but no whole answer came.
            ConfigError: there are no credentials.
        """
        attempt = attempt or Attempt()
        request = Request(
            method=method,
            path=path,
            headers={"content-type": "application/json", **(headers or {})},
            body=body,
            timeout=timeout,
            on_sending=attempt.mark_sent,
        )
        pace = attempt.pace
        retry = Retry(self.retry_for, connects=float("inf") if pace is not None else CONNECTS)
        if self._closed:
            raise ConnectionFailed("the session is closed: fgnb.connect() opens a new one")
        self.under_way += 1
        try:
            while True:
                attempt.count += 1
                failed: ConnectionFailed | None = None
                try:
                    response = await (
                        self.transport.send(request) if pace is None else self._in_turn(request, pace, attempt)
                    )
                except ConnectionFailed as error:
                    failed, pause, why = error, retry.after_failed_connection(), error.message
                else:
                    if not _may_come_again(response):
                        return response
                    pause, why = retry.after_refusal(response.headers.get("retry-after")), f"status {response.status}"
                    pause = pause if pace is None else 0.0  # the pace itself waits, for all of the sweep's runs
                attempt.sent = False
                if pause is not None:
                    _log.info("%s %s: attempt %d in %.1f s, after %s", method, path, attempt.count + 1, pause, why)
                    await asyncio.sleep(pause)
                if pause is None or self._closed:
                    if failed is not None:
                        raise failed
                    return response
        finally:
            self.under_way -= 1

    async def _in_turn(self, request: Request, pace: Pace, attempt: Attempt) -> Response:
        await pace.turn()
        attempt.started = time.perf_counter()  # waiting for a turn is not the run's own time
        response = None
        try:
            response = await self.transport.send(request)
        finally:
            if response is None:
                pace.left()
            elif _may_come_again(response):
                pace.refused(response.headers.get("retry-after"))
            else:
                pace.passed()
        return response

    async def call(
        self, method: str, path: str, kind: type[T], value: Any = None, headers: dict[str, str] | None = None
    ) -> T:
        """Send a request and return its answer as a value of type `kind`.

        Raises:
            ServiceError: it was refused, or its answer can't be read; of the class that tells why.
        """
        body = b"" if value is None else jsontext.dumps(value)
        response = await self.send(method, path, body=body, timeout=CALL_TIMEOUT, headers=headers)
        request_id = response.headers.get(REQUEST_ID_HEADER.lower())
        if response.status not in (200, 201):
            said = error_body(response.body)
            raise kind_of(response.status, said.error_code, said.error_msg)(
                message_of(said, response.status),
                status=response.status,
                code=said.error_code,
                request_id=request_id or said.request_id,
                hint=hint(response, said),
            )
        try:
            raw = jsontext.loads_answer(response.body)
        except ValueError:
            reason = "it is not JSON"
        else:
            try:
                return parse(raw, kind)
            except ValueError as error:
                reason = str(error)
        raise AnswerLost(f"the answer can't be read: {reason}", status=response.status, request_id=request_id)

    async def aclose(self) -> None:
        """Close the transport; what is under way ends as unknown."""
        if self.under_way and not self._closed:
            _log.warning("closed while %d calls were under way: what became of them is unknown", self.under_way)
        self._closed = True
        await self.transport.aclose()


def _may_come_again(response: Response) -> bool:
    return response.status >= 400 and may_send_again(response.status, error_body(response.body).error_code)
