"""Where workflows run: on worker threads, never on the engine's loop, so that none can hold it up.

A walk (a generator) runs on one daemon thread, its plain functions inline, for as long as it does
not have to wait: a thread's hand-over is paid once a run, not once a call. What has to be awaited,
a pause, or several ways at once, it yields, and goes on afterwards on any thread. Async functions
have an event loop of their own, on which the walk goes on as long as only such follow. A function
that outlives its limit is left behind with its thread or its loop, since Python can't stop it, and
its walk fails without waiting for it; the thread serves others again once it returns.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any, Protocol, TypeVar

from fgnb.background import BackgroundLoop, forget_in_child
from fgnb.local.context import Context
from fgnb.local.functions import Function, FunctionFailed, failure_of, result_value
from fgnb.local.threads import Threads

MAX_LEFT_BEHIND = 256  # threads that may be stuck in functions before new runs are refused
TICK = 0.25  # seconds between two looks at a running walk; shorter limits are looked at on their own
PING = 0.5  # seconds the loop of async functions may take to show that it is alive
SOON = 0.1  # the same, once it has missed a call's limit, which it enforces itself while it is alive
BREATH = 0.005  # seconds after which a walk on that loop lets others have it

T = TypeVar("T")

Walk = Generator[Any, Any, Any]
"""Yields an `AsyncCall`, `TO_THREAD`, or a function that gives what it needs awaited; is sent the result of
that, or thrown a `FunctionFailed`; returns its own result."""

TO_THREAD: Any = type("ToThread", (), {"__repr__": lambda self: "TO_THREAD"})()
"""What a walk yields before it calls a plain function while it is on the loop of async functions."""


class Abandoned(BaseException):
    """Ends a thread's part in a walk that has ended without it; no handler must catch it."""


@dataclass(frozen=True, slots=True)
class AsyncCall:
    """A call of an async function that a walk wants made."""

    function: Function
    event: Any
    context: Context


class Part(Protocol):
    """A part of a walk that is under way elsewhere."""

    over: bool

    def fail(self, error: Exception) -> None:
        """End it for whoever waits."""


class Strand:
    """One walk under way: its calls, and the watch over them."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._function: Function | None = None
        self._ticket: list[float] = []  # when the present call's time is over; whoever pops it says how it ended
        self.over = False  # nobody waits for the walk any more
        self._part: Part | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.on_loop = False  # whether the walk is on the loop of async functions, which nothing may hold up

    def call(self, function: Function, event: Any, context: Context) -> Any:
        """Call a plain function on this thread and return its result as a JSON value.

        Raises:
            FunctionFailed: it raised, or its result is not JSON.
            Abandoned: it took longer than its timeout, or the whole walk has ended meanwhile.
        """
        ticket = self.begin(function)
        error: BaseException | None = None
        try:
            result = function.handler(event, context)
        except BaseException as raised:  # a function's SystemExit must not end the thread
            error = raised
        self.end(ticket, function)
        if error is not None:
            raise failure_of(error)
        return result_value(result)

    def begin(self, function: Function) -> list[float]:
        """Begin a call, and return the right to say how it ended.

        Raises:
            Abandoned: the whole walk has ended meanwhile.
        """
        if self.over:
            raise Abandoned
        self._function = function
        self._ticket = ticket = [monotonic() + function.timeout]
        if function.timeout < TICK:
            self._loop.call_soon_threadsafe(self._look)
        return ticket

    @staticmethod
    def end(ticket: list[float], function: Function) -> None:
        """End a call.

        Raises:
            Abandoned: the watch has ended it already, or nobody waits any more.
            FunctionFailed: it took too long, which the watch could not see in time.
        """
        try:
            until = ticket.pop()  # atomic
        except IndexError:
            raise Abandoned from None
        if monotonic() > until:
            raise timed_out(function)

    def watch(self, part: Part) -> None:
        """Look after the walk, whose next part is `part`, until `leave`."""
        self._part = part
        self._look()

    def leave(self) -> None:
        """Stop looking; if the part is still under way, nobody waits for it any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._part is not None and not self._part.over:
            self.over = True
            self._ticket.clear()  # its call has no say any more
        self._part = None

    def _look(self) -> None:
        """End the present call if its time is over; else come back when it will be."""
        if self._part is None:
            return
        wait = TICK
        try:
            until, now = self._ticket[0], monotonic()
            if now >= until and self._function is not None:
                self._ticket.pop()
                self._part.fail(timed_out(self._function))
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
            if not ended and isinstance(value, AsyncCall):
                ended, value = await self._advance_on_loop(strand, walk, value)
            if ended:
                return value
            if value is TO_THREAD:
                go_on = partial(walk.send, None)
                continue
            try:
                go_on = partial(walk.send, await value())
            except FunctionFailed as failure:
                go_on = partial(walk.throw, failure)

    async def do(self, work: Callable[[], T]) -> T:
        """Do something on a thread that may take a while but comes to an end."""
        job = self._threads.start(work)
        if (future := self._threads.listen(job)) is not None:
            try:
                await future
            finally:
                self._threads.drop(job)
        result: T = job.outcome()
        return result

    async def _advance(self, strand: Strand, go_on: Callable[[], Any]) -> tuple[bool, Any]:
        """Let a walk run on a thread: to its end with its result, or to what it wants."""
        if self._threads.left_behind + self._loop.left_behind >= MAX_LEFT_BEHIND:
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

    async def _advance_on_loop(self, strand: Strand, walk: Walk, call: AsyncCall) -> tuple[bool, Any]:
        """Make an async call, and let the walk run on as far as only async calls follow: no thread is needed."""
        loop = self._loop.loop
        part = _AsyncPart(strand, walk)
        running = self._loop.submit(part.run(call, strand.begin(call.function)))
        strand.watch(part)
        try:
            return await part.future
        except asyncio.CancelledError:  # the workflow's own limit is over, which can't wait for the check
            check = asyncio.create_task(self._check_loop(loop, PING))
            self._checks.add(check)
            check.add_done_callback(self._checks.discard)
            raise
        finally:
            strand.leave()
            if not part.over:
                running.cancel()
                if part.future.done() and not part.future.cancelled():
                    await self._check_loop(loop, SOON)

    async def _check_loop(self, loop: asyncio.AbstractEventLoop, patience: float) -> None:
        """Replace the loop of async functions if one that never awaits has taken it."""
        own, alive = asyncio.get_running_loop(), asyncio.Event()

        def answer() -> None:
            with contextlib.suppress(RuntimeError):  # nobody waits any more
                own.call_soon_threadsafe(alive.set)

        with contextlib.suppress(RuntimeError):  # it has ended
            loop.call_soon_threadsafe(answer)
        try:
            await asyncio.wait_for(alive.wait(), patience)
        except TimeoutError:
            self._loop.replace(loop)


class _AsyncPart:
    """The part of a walk that is on the loop of async functions."""

    def __init__(self, strand: Strand, walk: Walk) -> None:
        self._strand = strand
        self._walk = walk
        self.over = False
        self.future: asyncio.Future[tuple[bool, Any]] = asyncio.get_running_loop().create_future()

    def fail(self, error: Exception) -> None:
        """End it for whoever waits, on their loop, while the function still runs."""
        if not self.future.done():  # pragma: no branch  # else it ended this instant
            self.future.set_exception(error)

    async def run(self, call: AsyncCall, ticket: list[float]) -> None:
        """Make the call and go on, on the loop of async functions; tell the future what came of it."""
        part: tuple[bool, Any] = False, None
        error: BaseException | None = None
        try:
            part = await self._go_on(call, ticket)
        except BaseException as raised:
            error = raised
        self.over = True

        def settle() -> None:
            if self.future.done():
                return
            if error is None:
                self.future.set_result(part)
            else:
                self.future.set_exception(error)

        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.future.get_loop().call_soon_threadsafe(settle)

    async def _go_on(self, call: AsyncCall, ticket: list[float]) -> tuple[bool, Any]:
        strand, rested = self._strand, monotonic()
        while True:
            if monotonic() - rested > BREATH:
                await asyncio.sleep(0)
                rested = monotonic()
            try:
                async with asyncio.timeout(call.function.timeout) as limit:
                    result = await _await(call, strand, limit)
            except TimeoutError:
                raise timed_out(call.function) from None
            finally:
                strand.end(ticket, call.function)
            strand.on_loop = True
            ended, value = _part(partial(self._walk.send, result))
            strand.on_loop = False
            if ended or not isinstance(value, AsyncCall):
                return ended, value
            call, ticket = value, strand.begin(value.function)


def timed_out(function: Function) -> FunctionFailed:
    """Return the failure of a call that took longer than the function's timeout."""
    return FunctionFailed(f"call invoke timeout {function.timeout:g}s", "FunctionTimeout", status=504)


def _part(go_on: Callable[[], Any]) -> tuple[bool, Any]:
    try:
        return False, go_on()
    except StopIteration as stop:
        return True, stop.value


async def _await(call: AsyncCall, strand: Strand, limit: asyncio.Timeout) -> Any:
    """Make an async call; it is cancelled when `limit` or the whole walk is over, else by the function itself."""
    try:
        return result_value(await call.function.handler(call.event, call.context))
    except FunctionFailed:
        raise
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError):
            if strand.over or limit.expired():
                raise
            task = asyncio.current_task()
            assert task is not None  # noqa: S101
            task.uncancel()
        raise failure_of(error) from None
