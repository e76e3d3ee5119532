"""Where workflows run: on worker threads, never on the engine's loop, so that none can hold it up.

A walk (a generator) runs on one daemon thread, its plain functions inline, for as long as it does
not have to wait: a thread's hand-over is paid once a run, not once a call. What has to be awaited,
a pause, an async function, or several functions at once, it yields, and goes on afterwards on any
thread. A function that outlives its limit is left behind with its thread, since Python can't stop
it, and its walk fails without waiting for it; the thread serves others again once it returns.
Daemon threads, unlike those of ``ThreadPoolExecutor`` and ``asyncio.to_thread``, do not hold up the
interpreter's exit.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import queue
import threading
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from time import monotonic
from typing import Any

from fgnb.background import BackgroundLoop, forget_in_child
from fgnb.local.functions import Context, Function, FunctionFailed, failure_of, result_value

MAX_THREADS = 64  # walks running at once; more wait for their turn
MAX_LEFT_BEHIND = 256  # threads that may be stuck in functions before new runs are refused
TICK = 0.25  # seconds between two looks at a running walk; shorter limits are looked at on their own
PING = 0.5  # seconds the loop of async functions may take to show that it is alive

Walk = Generator[Callable[[], Awaitable[Any]], Any, Any]
"""Yields what it needs awaited, is sent the result, or thrown a `FunctionFailed`; returns its result."""


class Abandoned(BaseException):
    """Ends a thread's part in a walk that has ended without it; no handler must catch it."""


class _Ticket:
    """The right to say how one call ended: whoever claims it first, the caller or the watch."""

    __slots__ = ("_unclaimed", "function", "until")

    def __init__(self, function: Function) -> None:
        self.function = function
        self.until = monotonic() + function.timeout
        self._unclaimed = [None]

    def claim(self) -> bool:
        try:
            self._unclaimed.pop()  # atomic
        except IndexError:
            return False
        return True


class Strand:
    """One walk under way: makes its calls, and is watched while it does."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ticket: _Ticket | None = None
        self._over = False
        self._job: _Job | None = None
        self._timer: asyncio.TimerHandle | None = None

    def call(self, function: Function, event: Any, context: Context) -> Any:
        """Call a plain function on this thread and return its result as a JSON value.

        Raises:
            FunctionFailed: it raised, or its result is not JSON.
            Abandoned: it took longer than its timeout, or the whole walk has ended meanwhile.
        """
        if self._over:
            raise Abandoned
        ticket = self._ticket = _Ticket(function)
        if function.timeout < TICK:
            self._loop.call_soon_threadsafe(self._look)
        error: BaseException | None = None
        try:
            result = function.handler(event, context)
        except BaseException as raised:  # a function's SystemExit must not end the thread
            error = raised
        if not ticket.claim():
            raise Abandoned
        self._ticket = None
        if error is not None:
            raise failure_of(error)
        return result_value(result)

    def watch(self, job: _Job) -> None:
        """Look after the walk, whose next part is `job`, until `leave`."""
        self._job = job
        self._timer = self._loop.call_later(TICK, self._look)

    def leave(self) -> None:
        """Stop looking; if the part is still under way, nobody waits for it any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._job is not None and not self._job.over:
            self._over = True
        self._job = None

    def _look(self) -> None:
        """End the present call if its time is over; else come back when it will be."""
        if self._job is None:
            return
        ticket, now = self._ticket, monotonic()
        if ticket is not None and now >= ticket.until and ticket.claim():
            self._job.fail(timed_out(ticket.function))
            return
        if self._timer is not None:
            self._timer.cancel()
        wait = TICK if ticket is None else min(TICK, max(0.001, ticket.until - now))
        self._timer = self._loop.call_later(wait, self._look)


class Workers:
    """Runs walks, and async functions on an event loop of their own."""

    def __init__(self) -> None:
        self._loop = BackgroundLoop("fgnb-functions")
        self._checks: set[asyncio.Task[None]] = set()
        self.forget()
        forget_in_child(self)

    def forget(self) -> None:
        """Start with no threads; those of before serve what they have."""
        self._pool = _DaemonPool()
        self._slots = asyncio.Semaphore(MAX_THREADS)

    async def run(self, make: Callable[[Strand], Walk]) -> Any:
        """Run the walk that `make` gives for a strand, and return its result.

        Raises:
            FunctionFailed: a function failed or outlived its timeout, or too many have before.
        """
        strand = Strand()
        walk = make(strand)
        go_on: Callable[[], Any] = partial(walk.send, None)
        while True:
            ended, value = await self._advance(strand, go_on)
            if ended:
                return value
            try:
                go_on = partial(walk.send, await value())
            except FunctionFailed as failure:
                go_on = partial(walk.throw, failure)

    async def _advance(self, strand: Strand, go_on: Callable[[], Any]) -> tuple[bool, Any]:
        """Let a walk run on a thread: to its end with its result, or to what it wants awaited."""
        if self._pool.left_behind >= MAX_LEFT_BEHIND:
            message = f"{MAX_LEFT_BEHIND} calls outlived their timeouts and still run: restart the process"
            raise FunctionFailed(message, "TooManyStuckCalls")
        async with self._slots:
            job = self._pool.start(partial(_part, go_on))
            strand.watch(job)
            try:
                part: tuple[bool, Any] = await job.future
                return part
            finally:
                strand.leave()
                self._pool.leave(job)

    async def call_async(self, function: Function, event: Any, context: Context) -> Any:
        """Call an async function and return its result as a JSON value.

        Raises:
            FunctionFailed: it raised, its result is not JSON, or it took longer than its timeout.
        """
        call = asyncio.wrap_future(self._loop.submit(_await(function, event, context)))
        try:
            return await asyncio.wait_for(call, function.timeout)
        except TimeoutError:
            await self._check_loop()
            raise timed_out(function) from None
        except asyncio.CancelledError:  # the workflow's own limit is over, which can't wait for the check
            check = asyncio.create_task(self._check_loop())
            self._checks.add(check)
            check.add_done_callback(self._checks.discard)
            raise

    async def _check_loop(self) -> None:
        """Replace the loop of async functions if one that never awaits has taken it."""
        alive = asyncio.wrap_future(self._loop.submit(asyncio.sleep(0)))
        try:
            await asyncio.wait_for(alive, PING)
        except TimeoutError:
            self._loop.forget()


def timed_out(function: Function) -> FunctionFailed:
    """Return the failure of a call that took longer than the function's timeout."""
    return FunctionFailed(f"call invoke timeout {function.timeout:g}s", "FunctionTimeout")


def _part(go_on: Callable[[], Any]) -> tuple[bool, Any]:
    try:
        return False, go_on()
    except StopIteration as stop:
        return True, stop.value


async def _await(function: Function, event: Any, context: Context) -> Any:
    try:
        return result_value(await function.handler(event, context))
    except FunctionFailed:
        raise
    except BaseException as error:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise  # cancelled by us, not by the function itself
        raise failure_of(error) from None


class _Job:
    """A piece of work for a thread, and the future of its result on the loop that asked for it."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.context = contextvars.copy_context()  # what a function prints belongs to the cell that runs it
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.over = False
        self.left = False

    def fail(self, error: Exception) -> None:
        """End it for whoever waits, on the loop, while its thread still works."""
        if not self.future.done():
            self.future.set_exception(error)

    def finish(self, result: Any, error: BaseException | None) -> None:
        """Hand the result over, from the thread."""

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
                result = job.context.run(job.work)
            except BaseException as raised:
                error = raised
            with self._lock:
                job.over = True
                self.left_behind -= job.left
                self._idle.append(inbox)
            job.finish(result, error)
            del job, result, error  # an idle thread must not keep the last run's values alive
