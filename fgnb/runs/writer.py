"""The thread that writes the history: what many runs want written at once goes into one transaction."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from fgnb.errors import FgnbError

T = TypeVar("T")

BATCH = 2000  # what is written in one transaction, at most
LATE = 20_000  # ends of runs that are kept in memory while they can't be written

Work = Callable[[sqlite3.Connection], Any]
"""What is done within a transaction; its result goes to who asked for it."""


class Writer:
    """Does work on a database in one thread, as much as is there in one transaction.

    Args:
        open: opens the database; called in the thread, and again after an error.
    """

    def __init__(self, open: Callable[[], sqlite3.Connection]) -> None:
        self._open = open
        self._queue: queue.SimpleQueue[tuple[Work, _Reply | None]] = queue.SimpleQueue()
        self._late: list[Work] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._database: sqlite3.Connection | None = None

    @property
    def is_used(self) -> bool:
        """Whether anything was ever written."""
        return self._thread is not None

    def put(self, work: Work) -> None:
        """Have work done soon; if it can't be, it is tried again with what comes next."""
        self._queue.put((work, None))
        self._start()

    def ask(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Have work done soon; the future gives its result once that is on disk.

        It gives an OSError, sqlite3.Error or HistoryError if it can't be.
        """
        future: Future[T] = Future()
        self._queue.put((work, _Reply(None, future)))
        self._start()
        return future

    async def aask(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do the same from a coroutine; all that wait on one loop are woken at once."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put((work, _Reply(loop, future)))
        self._start()
        return await asyncio.shield(future)

    def _start(self) -> None:
        if self._thread is None:
            with self._lock:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._serve, name="fgnb-history", daemon=True)
                    self._thread.start()

    def _serve(self) -> None:
        while True:
            batch = [self._queue.get()]
            while len(batch) < BATCH:
                try:
                    batch.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            results = self._done(batch)
            by_loop: dict[asyncio.AbstractEventLoop | None, list[tuple[Any, Any, BaseException | None]]] = {}
            for (_, reply), (result, error) in zip(batch, results, strict=True):
                if reply is not None:
                    by_loop.setdefault(reply.loop, []).append((reply.future, result, error))
            for loop, replies in by_loop.items():
                _answer(loop, replies)

    def _done(self, batch: list[tuple[Work, _Reply | None]]) -> list[tuple[Any, BaseException | None]]:
        """Do a batch in one transaction; if that fails, each has the error and what nobody waits for is kept."""
        try:
            if self._database is None:
                self._database = self._open()
            database = self._database
            database.execute("BEGIN IMMEDIATE")
            try:
                for work in self._late:
                    work(database)
                results: list[tuple[Any, BaseException | None]] = [_tried(work, database) for work, _ in batch]
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
        except Exception as error:  # the disk, the file, another process: whoever waits is told
            kept = [work for work, reply in batch if reply is None]
            self._late = (self._late + kept)[-LATE:]
            if not isinstance(error, sqlite3.OperationalError):
                self._database = None  # opened anew the next time
            return [(None, error)] * len(batch)
        self._late = []
        return results


def _tried(work: Work, database: sqlite3.Connection) -> tuple[Any, FgnbError | None]:
    try:
        return work(database), None
    except FgnbError as error:  # of what was asked for, and nothing was written: the others go on
        return None, error


class _Reply:
    __slots__ = ("future", "loop")

    def __init__(self, loop: asyncio.AbstractEventLoop | None, future: Any) -> None:
        self.loop = loop
        self.future = future


def _answer(loop: asyncio.AbstractEventLoop | None, replies: list[tuple[Any, Any, BaseException | None]]) -> None:
    def give() -> None:
        for future, result, error in replies:
            if future.done():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

    if loop is None:
        give()
        return
    try:
        loop.call_soon_threadsafe(give)
    except RuntimeError:  # the loop is closed: nobody waits any more
        return
