"""The thread that writes the history: what many runs want written at once goes into one transaction."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from fgnb.errors import FgnbError

BATCH = 2000  # what is written in one transaction, at most
LATE = 20_000  # ends of runs that are kept in memory while they can't be written

Work = Callable[[sqlite3.Connection, Sequence[Any]], Sequence[Any]]
"""What is done within a transaction, for all arguments that are there; each result goes to who asked for it."""

_Asked = tuple[Work, Any, asyncio.AbstractEventLoop | None, Any]  # ..., where its future lives, and the future
_Reply = tuple[Any, Any, BaseException | None]


class Writer:
    """Does work on a database in one thread, as much as is there in one transaction.

    Args:
        open: opens the database; called in the thread, and again after an error.
    """

    def __init__(self, open: Callable[[], sqlite3.Connection]) -> None:
        self._open = open
        self._queue: queue.SimpleQueue[_Asked] = queue.SimpleQueue()
        self._late: list[_Asked] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._database: sqlite3.Connection | None = None

    @property
    def is_used(self) -> bool:
        """Whether anything was ever written."""
        return self._thread is not None

    def put(self, work: Work, argument: Any) -> None:
        """Have work done soon; if it can't be, it is tried again with what comes next."""
        self._queue.put((work, argument, None, None))
        self._start()

    def ask(self, work: Work, argument: Any) -> Future[Any]:
        """Have work done soon; the future gives its result once that is on disk.

        It gives an OSError, sqlite3.Error or HistoryError if it can't be.
        """
        future: Future[Any] = Future()
        self._queue.put((work, argument, None, future))
        self._start()
        return future

    async def aask(self, work: Work, argument: Any) -> Any:
        """Do the same from a coroutine; all that wait on one loop are woken at once."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._queue.put((work, argument, loop, future))
        self._start()
        return await future

    def _start(self) -> None:
        if self._thread is None:
            with self._lock:
                if self._thread is None:  # pragma: no branch  # another thread may have been quicker
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
            replies = self._done(batch)
            by_loop: dict[asyncio.AbstractEventLoop | None, list[_Reply]] = {}
            for loop, future, result, error in replies:
                by_loop.setdefault(loop, []).append((future, result, error))
            for loop, told in by_loop.items():
                _answer(loop, told)

    def _done(self, batch: list[_Asked]) -> list[tuple[asyncio.AbstractEventLoop | None, Any, Any, Any]]:
        """Do a batch in one transaction, and return what to answer; if it fails, what nobody waits for is kept."""
        replies = []
        try:
            if self._database is None:
                self._database = self._open()
            database = self._database
            database.execute("BEGIN IMMEDIATE")
            try:
                for work, asked in _by_work(self._late + batch).items():
                    results, error = _tried(work, database, [argument for _, argument, _, _ in asked])
                    for (_, _, loop, future), result in zip(asked, results, strict=True):
                        if future is not None:
                            replies.append((loop, future, result, error))
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
        except Exception as error:  # the disk, the file, another process: whoever waits is told
            kept = [asked for asked in batch if asked[3] is None]
            self._late = (self._late + kept)[-LATE:]
            if not isinstance(error, sqlite3.OperationalError):
                self._database = None  # opened anew the next time
            return [(loop, future, None, error) for _, _, loop, future in batch if future is not None]
        self._late = []
        return replies


def _by_work(asked: Sequence[_Asked]) -> dict[Work, list[_Asked]]:
    """Group what is asked for: a run ends after its beginning was committed, so nothing else depends on the order."""
    groups: dict[Work, list[_Asked]] = {}
    for each in asked:
        groups.setdefault(each[0], []).append(each)
    return groups


def _tried(
    work: Work, database: sqlite3.Connection, arguments: Sequence[Any]
) -> tuple[Sequence[Any], FgnbError | None]:
    try:
        return work(database, arguments), None
    except FgnbError as error:  # of what was asked for, and nothing was written: the others go on
        return [None] * len(arguments), error


def _answer(loop: asyncio.AbstractEventLoop | None, replies: list[_Reply]) -> None:
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
