"""An event loop in a daemon thread, started at first use, whose waits can be interrupted."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
import time
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as WaitTimeout
from concurrent.futures import wait as wait_for
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

SLICE = 0.1  # seconds between two looks at whether the user interrupted
GRACE = 0.5  # seconds an interrupted coroutine has to close what it holds


class Forgetful(Protocol):
    """Holds threads, locks or connections, which the child of a fork must not use."""

    def forget(self) -> None:
        """Let go of them, so that new ones are made at the next use."""


_forgetful: weakref.WeakSet[Forgetful] = weakref.WeakSet()


def forget_in_child(holder: Forgetful) -> None:
    """Have ``holder.forget()`` called in the child of a fork, as long as `holder` lives."""
    _forgetful.add(holder)


class BackgroundLoop:
    """Runs coroutines in a thread of its own, for callers that have no event loop or a busy one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self.left_behind = 0  # loops that were replaced and have not ended yet
        forget_in_child(self)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop; its thread is started when it is asked for first."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._serve, args=(self._loop,), name=self.name, daemon=True)
                self._thread.start()
            return self._loop

    @staticmethod
    def _serve(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        while True:
            try:
                loop.run_forever()
            except (SystemExit, KeyboardInterrupt):  # raised by a task, whose own future has it; others go on
                continue
            loop.close()
            return

    def forget(self) -> None:
        """Start with no loop, in the child of a fork, where the thread of the present one is gone."""
        self._lock = threading.Lock()
        self._loop = None
        self.left_behind = 0

    def replace(self, loop: asyncio.AbstractEventLoop) -> None:
        """Leave `loop`, which no longer answers, and start a new one at the next use.

        Its thread ends once it answers again and has done what it has to do.
        """
        with self._lock:
            if self._loop is not loop:  # somebody else was quicker
                return
            self._loop = None
            self.left_behind += 1
        loop.call_soon_threadsafe(lambda: loop.create_task(self._retire(loop)))

    async def _retire(self, loop: asyncio.AbstractEventLoop) -> None:
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(SLICE)
        with self._lock:
            self.left_behind -= 1
        loop.stop()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start `coroutine` on the loop; cancelling the future cancels it there.

        It runs in a copy of the caller's context, so that what it displays lands in the cell that
        started it.
        """
        future: Future[T] = Future()
        loop = self.loop

        def start() -> None:
            task = loop.create_task(coroutine)
            task.add_done_callback(lambda done: _hand_over(done, future))
            future.add_done_callback(lambda done: done.cancelled() and loop.call_soon_threadsafe(task.cancel))

        loop.call_soon_threadsafe(start, context=contextvars.copy_context())
        return future

    @staticmethod
    def wait(future: Future[T]) -> T:
        """Return the future's result; waits in slices, so that Ctrl-C is seen on every platform."""
        while True:
            try:
                return future.result(SLICE)
            except WaitTimeout:
                if future.done():  # the result itself is a TimeoutError, or it came this instant
                    return future.result()

    def check_thread(self) -> None:
        """Return if the thread may wait for the loop.

        Raises:
            RuntimeError: it is the loop's own, e.g. in a callback of a future: the loop would wait for
                itself, and everybody else for it.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError("this is the thread of fgnb's event loop, which must not wait: use another thread")

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine` on the loop and wait for its result.

        A KeyboardInterrupt cancels it, waits a moment until it has let go of what it holds, and is
        raised again.
        """
        try:
            self.check_thread()
        except RuntimeError:
            coroutine.close()
            raise
        ended = threading.Event()

        async def watched() -> T:
            try:
                return await coroutine
            finally:
                ended.set()

        future = self.submit(watched())
        try:
            return self.wait(future)
        except KeyboardInterrupt:
            if future.cancel():
                ended.wait(GRACE)
            raise


def ended(future: Future[Any], timeout: float | None = None, *, tick: Callable[[], None] | None = None) -> bool:
    """Wait until a future is done, in slices, so that Ctrl-C is seen on every platform; False if time is over first.

    Args:
        future: what is waited for.
        timeout: seconds to wait; for as long as it takes by default.
        tick: called about ten times a second meanwhile.
    """
    until = float("inf") if timeout is None else time.monotonic() + timeout
    while not future.done():
        left = until - time.monotonic()
        if left <= 0:
            return False
        if wait_for([future], min(SLICE, left)).not_done and tick is not None:
            tick()
    return True


def _hand_over(task: asyncio.Task[T], future: Future[T]) -> None:
    if not future.set_running_or_notify_cancel():  # else nobody can cancel it from here on
        if not task.cancelled():
            task.exception()  # looked at, so that asyncio does not complain
    elif task.cancelled():
        future.set_exception(CancelledError())
    elif (error := task.exception()) is not None:
        future.set_exception(error)
    else:
        future.set_result(task.result())


def _forget_all() -> None:
    for holder in list(_forgetful):
        holder.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
