"""Follows several ways at once: parallel actions, branches and iterations, as many as are needed."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from typing import Any

from fgnb.local.execution import Visit
from fgnb.local.functions import FunctionFailed

RAMP = 0.001  # seconds between two looks at whether more ways should be followed at once

Follow = Callable[[int], Awaitable[Any]]
"""Follows the way of that number to its end and returns what it gives, or raises `StatesFailed`."""

Serve = Callable[["deque[int]", list[Any]], Coroutine[Any, Any, None]]
"""Takes numbers from a queue until it is empty, follows each way, and puts the result into its place."""

Sleep = Callable[[float], Awaitable[Any]]


class StatesFailed(FunctionFailed):
    """States failed, and nothing handled that: the failure is the first one's, `visits` are all of them."""

    def __init__(self, first: FunctionFailed, visits: tuple[Visit, ...]) -> None:
        super().__init__(str(first), "", status=first.status)
        self.failure = first.failure
        self.visits = visits

    def note_handled(self) -> None:
        """Note that it was retried or caught after all."""
        for visit in self.visits:
            visit.handled = True


async def follow_all(count: int, serve: Serve, *, width: int = 0) -> list[Any]:
    """Follow so many ways, at most `width` at once (0: no limit), and return what they give.

    One task starts with the first and goes on with the next, since most ways take less time than a
    hand-over to another thread; those that still wait after a moment are followed at the same time.

    Raises:
        StatesFailed: one failed; the others are cancelled then.
    """
    waiting = deque(range(count))
    results: list[Any] = [None] * count
    await _Crew(lambda: serve(waiting, results), waiting, min(count, width or count)).work()
    return results


class _Crew:
    """Tasks that serve a queue: one at once, as many again for each moment in which ways still wait, at most `most`.

    If none has begun since the last look, all that may be are started.
    """

    def __init__(self, serve: Callable[[], Coroutine[Any, Any, None]], waiting: deque[int], most: int) -> None:
        self._serve, self._waiting, self._most = serve, waiting, most
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = 0
        self._left = len(waiting)
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None

    async def work(self) -> None:
        self._grow(1)
        try:
            if self._tasks:
                await self._ended
        finally:
            if self._timer is not None:
                self._timer.cancel()
            await _end(self._tasks)

    def _grow(self, count: int) -> None:
        for _ in range(min(count, self._most - self._started)):
            self._started += 1
            task = self._loop.create_task(self._serve())
            self._tasks.add(task)
            task.add_done_callback(self._settle)
        if self._started < self._most:
            self._timer = self._loop.call_later(RAMP, self._look)

    def _look(self) -> None:
        left = len(self._waiting)
        moved, self._left = left < self._left - self._started, left
        if left:
            self._grow(self._started if moved else left)

    def _settle(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if self._ended.done():
            return
        if error is not None:
            self._ended.set_exception(error)
        elif not self._tasks:
            self._ended.set_result(None)


async def follow_paced(
    count: int, follow: Follow, *, width: int, interval: float, after_end: bool, sleep: Sleep
) -> list[Any]:
    """Follow so many ways, at most `width` at once, with `interval` seconds between their starts.

    With `after_end`, the interval lies between one's end and the start of another instead.
    """
    slots = asyncio.Semaphore(width or count or 1)

    async def one(number: int) -> Any:
        result = await follow(number)
        if after_end:
            await sleep(interval)
        slots.release()
        return result

    tasks = []
    try:
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                if number and not after_end:
                    await sleep(interval)
                await slots.acquire()
                tasks.append(group.create_task(one(number)))
    except ExceptionGroup as group:
        raise _first([error for error in group.exceptions if isinstance(error, StatesFailed)]) from None
    return [task.result() for task in tasks]


async def follow_until(count: int, follow: Follow, *, needed: int) -> list[Any]:
    """Follow so many ways at once until `needed` of them have ended; the others are cancelled and give None.

    Raises:
        StatesFailed: so many failed that not enough can end.
    """
    tasks = [asyncio.ensure_future(follow(number)) for number in range(count)]
    results: list[Any] = [None] * count
    failures: list[StatesFailed] = []
    ended = 0
    pending = set(tasks)
    try:
        while ended < needed:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for number in sorted(map(tasks.index, done)):
                if ended == needed:
                    break
                try:
                    results[number] = tasks[number].result()
                except StatesFailed as failed:
                    failures.append(failed)
                else:
                    ended += 1
            if count - len(failures) < needed:
                raise _first(failures)
    finally:
        await _end(tasks)
    return results


async def _end(tasks: Collection[asyncio.Future[Any]]) -> None:
    """Cancel tasks, and wait until they have let go."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _first(failures: Sequence[StatesFailed]) -> StatesFailed:
    return StatesFailed(failures[0], tuple(visit for failure in failures for visit in failure.visits))
