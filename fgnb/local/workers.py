"""Where workflows run: on worker threads, never on the engine's loop, so that none can hold it up.

A walk (a generator) runs on one daemon thread, its plain functions inline, for as long as it does
not have to wait: a thread's hand-over is paid once a run, not once a call. What has to be awaited,
a pause, an async function, or several functions at once, it yields, and goes on afterwards on any
thread. A function that outlives its limit is left behind with its thread, since Python can't stop
it, and its walk fails without waiting for it; the thread serves others again once it returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from time import monotonic
from typing import Any

from fgnb.background import BackgroundLoop, forget_in_child
from fgnb.local.context import Context
from fgnb.local.functions import Function, FunctionFailed, failure_of, result_value
from fgnb.local.threads import Job, Threads

MAX_LEFT_BEHIND = 256  # threads that may be stuck in functions before new runs are refused
TICK = 0.25  # seconds between two looks at a running walk; shorter limits are looked at on their own
PING = 0.5  # seconds the loop of async functions may take to show that it is alive

Walk = Generator[Callable[[], Awaitable[Any]], Any, Any]
"""Yields what it needs awaited, is sent the result, or thrown a `FunctionFailed`; returns its result."""


class Abandoned(BaseException):
    """Ends a thread's part in a walk that has ended without it; no handler must catch it."""


class Strand:
    """One walk under way: makes its calls, and is watched while it does."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._function: Function | None = None
        self._ticket: list[float] = []  # when the present call's time is over; whoever pops it says how it ended
        self._over = False
        self._job: Job | None = None
        self._timer: asyncio.TimerHandle | None = None

    def call(self, function: Function, event: Any, context: Context) -> Any:
        """Call a plain function on this thread and return its result as a JSON value.

        Raises:
            FunctionFailed: it raised, or its result is not JSON.
            Abandoned: it took longer than its timeout, or the whole walk has ended meanwhile.
        """
        if self._over:
            raise Abandoned
        self._function = function
        self._ticket = ticket = [monotonic() + function.timeout]
        if function.timeout < TICK:
            self._loop.call_soon_threadsafe(self._look)
        error: BaseException | None = None
        try:
            result = function.handler(event, context)
        except BaseException as raised:  # a function's SystemExit must not end the thread
            error = raised
        try:
            ticket.pop()  # atomic
        except IndexError:
            raise Abandoned from None
        if error is not None:
            raise failure_of(error)
        return result_value(result)

    def watch(self, job: Job) -> None:
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
        ticket, function, now = self._ticket, self._function, monotonic()
        wait = TICK
        try:
            until = ticket[0]
            if now >= until and function is not None:
                ticket.pop()
                self._job.fail(timed_out(function))
                return
            wait = min(TICK, max(0.001, until - now))
        except IndexError:  # no call is under way, or it ended this instant
            pass
        if self._timer is not None:
            self._timer.cancel()
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
        self._threads = Threads()

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
        if self._threads.left_behind >= MAX_LEFT_BEHIND:
            message = f"{MAX_LEFT_BEHIND} calls outlived their timeouts and still run: restart the process"
            raise FunctionFailed(message, "TooManyStuckCalls")
        job = self._threads.start(partial(_part, go_on))
        part: tuple[bool, Any]
        if (future := self._threads.listen(job)) is None:
            part = job.outcome()
            return part
        strand.watch(job)
        try:
            part = await future
            return part
        finally:
            strand.leave()
            self._threads.drop(job)

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
    return FunctionFailed(f"call invoke timeout {function.timeout:g}s", "FunctionTimeout", status=504)


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
