"""Where handlers run: never on the engine's loop, so that none can hold it up.

A plain handler runs in a daemon thread of a pool that grows on demand, an async one on an event
loop of its own thread. One that outlives its limit is left behind, since Python can't stop it; its
thread serves others again once it returns. Daemon threads, unlike those of ``ThreadPoolExecutor``
and ``asyncio.to_thread``, do not hold up the interpreter's exit.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import threading
from collections.abc import Callable
from typing import Any

from fgnb.background import BackgroundLoop, forget_in_child
from fgnb.local.functions import Context, Function, FunctionFailed, event_text, failure_of, result_value

MAX_THREADS = 64  # plain handlers running at once; more wait for their turn
MAX_LEFT_BEHIND = 256  # threads that may be stuck in handlers before new calls are refused
PING = 0.5  # seconds the loop of async handlers may take to show that it is alive


class Workers:
    """Calls functions with their time limits."""

    def __init__(self) -> None:
        self._loop = BackgroundLoop("fgnb-functions")
        self._checks: set[asyncio.Task[None]] = set()
        self.forget()
        forget_in_child(self)

    def forget(self) -> None:
        """Start with no threads; those of before serve what they have."""
        self._pool = _DaemonPool()
        self._slots = asyncio.Semaphore(MAX_THREADS)

    async def call(self, function: Function, arguments: Any, context: Context) -> Any:
        """Call a function and return its result as a JSON value.

        Raises:
            FunctionFailed: it raised, its result is not JSON, or it took longer than its timeout.
        """
        text = event_text(arguments)
        if function.is_async:
            return await self._call_async(function, text, context)
        if self._pool.left_behind >= MAX_LEFT_BEHIND:
            raise FunctionFailed(
                f"{MAX_LEFT_BEHIND} calls outlived their timeouts and still run: restart the process",
                "TooManyStuckCalls",
            )
        async with self._slots:
            job = self._pool.start(lambda: _run(function, text, context))
            try:
                return await asyncio.wait_for(asyncio.shield(job.future), function.timeout)
            except TimeoutError:
                raise _timed_out(function) from None
            finally:
                self._pool.leave(job)

    async def _call_async(self, function: Function, text: str, context: Context) -> Any:
        call = asyncio.wrap_future(self._loop.submit(_run_async(function, text, context)))
        try:
            return await asyncio.wait_for(call, function.timeout)
        except TimeoutError:
            await self._check_loop()
            raise _timed_out(function) from None
        except asyncio.CancelledError:  # the workflow's own limit is over, which can't wait for the check
            check = asyncio.create_task(self._check_loop())
            self._checks.add(check)
            check.add_done_callback(self._checks.discard)
            raise

    async def _check_loop(self) -> None:
        """Replace the loop of async handlers if a handler that never awaits has taken it."""
        alive = asyncio.wrap_future(self._loop.submit(asyncio.sleep(0)))
        try:
            await asyncio.wait_for(alive, PING)
        except TimeoutError:
            self._loop.forget()


def _timed_out(function: Function) -> FunctionFailed:
    return FunctionFailed(f"call invoke timeout {function.timeout:g}s", "FunctionTimeout")


def _run(function: Function, text: str, context: Context) -> Any:
    try:
        return result_value(function.handler(json.loads(text), context))
    except FunctionFailed:
        raise
    except BaseException as error:  # a handler's SystemExit must not end the worker
        raise failure_of(error) from None


async def _run_async(function: Function, text: str, context: Context) -> Any:
    try:
        return result_value(await function.handler(json.loads(text), context))
    except FunctionFailed:
        raise
    except BaseException as error:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise  # cancelled by us, not by the handler itself
        raise failure_of(error) from None


class _Job:
    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.over = False
        self.left = False

    def finish(self, result: Any, error: BaseException | None) -> None:
        def deliver() -> None:
            if not self.future.done():
                if error is None:
                    self.future.set_result(result)
                else:
                    self.future.set_exception(error)
            if not self.future.cancelled():
                self.future.exception()  # looked at: nobody may be waiting any more

        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.loop.call_soon_threadsafe(deliver)


class _DaemonPool:
    """Daemon threads that wait for jobs; a new one starts whenever none is idle."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[queue.SimpleQueue[_Job]] = []
        self.left_behind = 0

    def start(self, work: Callable[[], Any]) -> _Job:
        job = _Job(work)
        with self._lock:
            inbox = self._idle.pop() if self._idle else None
        if inbox is None:
            inbox = queue.SimpleQueue()
            threading.Thread(target=self._serve, args=(inbox,), name="fgnb-function", daemon=True).start()
        inbox.put(job)
        return job

    def leave(self, job: _Job) -> None:
        """Count a job that nobody waits for any more but that still runs."""
        with self._lock:
            if not job.over:
                job.left = True
                self.left_behind += 1

    def _serve(self, inbox: queue.SimpleQueue[_Job]) -> None:
        while True:
            job = inbox.get()
            result, error = None, None
            try:
                result = job.work()
            except BaseException as raised:
                error = raised
            with self._lock:
                job.over = True
                self.left_behind -= job.left
                self._idle.append(inbox)
            job.finish(result, error)
            del job, result, error  # an idle thread must not keep the last run's values alive
