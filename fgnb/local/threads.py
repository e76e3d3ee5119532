"""Daemon threads for work that may never return, and the hand-over to them and back.

Daemon threads, unlike those of ``ThreadPoolExecutor`` and ``asyncio.to_thread``, do not hold up the
interpreter's exit.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

MAX_THREADS = 128  # pieces of work done at once; more wait for their turn
QUICK = 0.0005  # seconds a loop stands still for a piece of work, which is cheaper than to be woken by it
MAX_DOUBT = 6  # after so many pieces in a row that were not quick, one in 2 ** MAX_DOUBT is waited for


class Job:
    """A piece of work for a thread, and the way its result takes back to the loop that asked for it."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.context = contextvars.copy_context()  # what a function prints belongs to the cell that runs it
        self.result: Any = None
        self.error: BaseException | None = None
        self.over = False
        self.dropped = False  # nobody waits any more
        self.done = threading.Lock()
        self.done.acquire()
        self.future: asyncio.Future[Any] | None = None

    def outcome(self) -> Any:
        """Return the result of a job that is over, or raise what it raised."""
        if self.error is not None:
            raise self.error
        return self.result

    def fail(self, error: Exception) -> None:
        """End it for whoever waits, on the loop, while its thread still works."""
        if self.future is not None and not self.future.done():  # pragma: no branch  # else it ended this instant
            self.future.set_exception(error)

    def deliver(self, future: asyncio.Future[Any]) -> None:
        """Hand the result to the loop, from the thread."""

        def settle() -> None:
            if future.done():
                return
            if self.error is None:
                future.set_result(self.result)
            else:
                future.set_exception(self.error)
                future.exception()  # looked at: nobody may be waiting any more

        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            future.get_loop().call_soon_threadsafe(settle)


class Threads:
    """Does jobs on daemon threads; a new thread starts whenever none is idle, up to a number."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[queue.SimpleQueue[Job]] = []
        self._waiting: deque[Job] = deque()
        self._busy = 0  # threads at work for someone who waits
        self.left_behind = 0  # threads at work for nobody
        self._misses = 0
        self._doubt = 0  # jobs to come before one is waited for again

    def start(self, work: Callable[[], Any]) -> Job:
        """Have a piece of work done as soon as a thread is free."""
        job = Job(work)
        with self._lock:
            if self._busy >= MAX_THREADS:
                self._waiting.append(job)
            else:
                self._begin(job)
        return job

    def _begin(self, job: Job) -> None:
        self._busy += 1
        if self._idle:
            self._idle.pop().put(job)
            return
        inbox: queue.SimpleQueue[Job] = queue.SimpleQueue()
        inbox.put(job)
        threading.Thread(target=self._serve, args=(inbox,), name="fgnb-function", daemon=True).start()

    def listen(self, job: Job) -> asyncio.Future[Any] | None:
        """Return a future of the running loop that tells when the job is over; None if it is already.

        Most jobs are over at once: the loop stands still for that moment, unless that was in vain lately.
        """
        if self._doubt:
            self._doubt -= 1
        elif job.done.acquire(timeout=QUICK):
            self._misses = 0
            return None
        else:
            self._misses = min(self._misses + 1, MAX_DOUBT)
            self._doubt = 2**self._misses
        with self._lock:
            if job.over:
                return None
            job.future = asyncio.get_running_loop().create_future()
            return job.future

    def drop(self, job: Job) -> None:
        """Leave a job to itself that nobody waits for any more; another one may have its turn."""
        with self._lock:
            if job.over:
                return
            job.dropped = True
            try:
                self._waiting.remove(job)
            except ValueError:
                self.left_behind += 1
                self._busy -= 1
                self._begin_next()

    def _begin_next(self) -> None:
        if self._waiting and self._busy < MAX_THREADS:
            self._begin(self._waiting.popleft())

    def _serve(self, inbox: queue.SimpleQueue[Job]) -> None:
        while True:
            job = inbox.get()
            try:
                job.result = job.context.run(job.work)
            except BaseException as raised:  # a function's SystemExit must not end the thread
                job.error = raised
            with self._lock:
                job.over = True
                future = job.future
                self._idle.append(inbox)
                if job.dropped:
                    self.left_behind -= 1
                else:
                    self._busy -= 1
                    self._begin_next()
            job.done.release()
            if future is not None:
                job.deliver(future)
            del job, future  # an idle thread must not keep the last run's values alive
