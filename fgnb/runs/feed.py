"""Brings inputs from the thread that makes them to the event loop that sends them, a few at a time."""

from __future__ import annotations

import asyncio
import queue
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from itertools import islice
from typing import Any, Generic, TypeVar

from fgnb.background import SLICE

T = TypeVar("T")

CHUNK = 256  # items that are made at once, at most
MAKING = 0.01  # seconds after which those that are made go to the loop: slow inputs are sent as they come


class Feed(Generic[T]):
    """A bounded queue of items that an iterator makes in the thread that serves it.

    A user's generator runs in the user's own thread where that waits anyway: it may hold what belongs to
    that thread, and an interrupt reaches it.

    Args:
        items: made one by one, only in the thread that calls `serve`.
    """

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._wanted: queue.SimpleQueue[asyncio.AbstractEventLoop] = queue.SimpleQueue()
        self._ready: deque[T] = deque()
        self._waiting: list[asyncio.Future[None]] = []
        self._size = 1  # of the next chunk: doubles as long as items are made quickly
        self._asked = False
        self._ended = False
        self.error: Exception | None = None

    def serve(self, until: Future[Any], tick: Callable[[], None]) -> None:
        """Make items as they are wanted, until `until` is done; calls `tick` about ten times a second."""
        while not until.done():
            try:
                loop = self._wanted.get(timeout=SLICE)
            except queue.Empty:
                tick()
                continue
            made, ended, error = self._chunk()
            loop.call_soon_threadsafe(self._arrived, made, ended, error)
            tick()

    def _chunk(self) -> tuple[list[T], bool, Exception | None]:
        made: list[T] = []
        until = time.monotonic() + MAKING
        try:
            for item in islice(self._items, self._size):
                made.append(item)
                if time.monotonic() > until:
                    self._size = 1
                    return made, False, None
        except Exception as error:  # the user's own code: whatever it raises ends the sweep and is told
            return made, True, error
        ended = len(made) < self._size
        self._size = min(CHUNK, 2 * self._size)
        return made, ended, None

    def _arrived(self, made: list[T], ended: bool, error: Exception | None) -> None:
        self._asked = False
        self._ready.extend(made)
        self._ended = ended
        self.error = error
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def next(self) -> T | None:
        """Return the next item, None after the last; on the event loop."""
        while True:
            if len(self._ready) <= CHUNK // 2 and not self._asked and not self._ended:
                self._asked = True
                self._wanted.put(asyncio.get_running_loop())
            if self._ready:
                return self._ready.popleft()
            if self._ended:
                return None
            future = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future
