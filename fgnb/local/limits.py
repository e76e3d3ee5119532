"""Time limits that cost nothing where nothing is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float | None, work: Coroutine[Any, Any, T]) -> T:
    """Await a coroutine for so many seconds at most; None sets no limit.

    It is taken up to where it first has to wait before a timer is set, which most runs never reach.

    Raises:
        TimeoutError: the time is over; the coroutine is cancelled.
    """
    try:
        wanted = work.send(None)
    except StopIteration as stop:
        done: T = stop.value
        return done
    async with asyncio.timeout(seconds):
        result: T = await _Begun(work, wanted)
        return result


class _Begun:
    """A coroutine that has begun and now waits for something, to be awaited further."""

    def __init__(self, work: Coroutine[Any, Any, Any], wanted: Any) -> None:
        self._work = work
        self._wanted = wanted

    def __await__(self) -> Generator[Any, Any, Any]:
        while True:
            error: BaseException | None = None
            sent: Any = None
            try:
                sent = yield self._wanted
            except BaseException as raised:
                error = raised
            try:
                self._wanted = self._work.send(sent) if error is None else self._work.throw(error)
            except StopIteration as stop:
                return stop.value
