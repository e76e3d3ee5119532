"""A call that is under way once, however many ask for its result meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SharedCall(Generic[T]):
    """Gives the same result, or error, to all who ask while it is under way.

    So that the runs of a sweep do not each look up the same name, and wrong keys are not tried by all
    of them: six wrong signatures lock an access key.

    Args:
        call: makes the coroutine.
    """

    def __init__(self, call: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._call = call
        self._task: asyncio.Task[T] | None = None

    async def result(self) -> T:
        """Return the result of the call under way, or of a new one; giving up leaves it to the others."""
        task = self._task
        if task is None or task.done() or task.get_loop() is not asyncio.get_running_loop():
            task = self._task = asyncio.create_task(self._call())
            task.add_done_callback(_look_at)
        return await asyncio.shield(task)


def _look_at(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()  # if all have given up, nobody else does, and asyncio would complain
