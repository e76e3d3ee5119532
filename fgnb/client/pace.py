"""How fast many runs go together: a service that says "too many" slows all of them down."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable

from fgnb.client.retry import LONGEST, PAUSE, seconds_of


class Pace:
    """Lets at most so many requests be under way at once, fewer after each refusal.

    A refusal for want of room stops all requests for a while, at least as long as the service asks for, and
    halves their number; each answer that is none raises it again, by one per round of answers. Requests
    that were under way when the first of them was refused belong to the same wave: they halve nothing.

    All calls belong on one event loop.

    Args:
        most: requests at once.
        clock: in seconds.
        chance: a number from 0 to 1, at random.
    """

    def __init__(
        self,
        most: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.most = most
        self.limit = float(most)
        self.refusals = 0
        self._clock = clock
        self._chance = chance
        self._under_way = 0
        self._resume_at = float("-inf")
        self._pause = PAUSE
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waits(self) -> float:
        """Seconds until the next request may go out; 0 if it may now."""
        return max(0.0, self._resume_at - self._clock())

    async def turn(self) -> None:
        """Wait until another request may go out; `passed`, `left` or `refused` must follow."""
        while True:
            if (pause := self._resume_at - self._clock()) > 0:
                await asyncio.sleep(pause)
            elif self._under_way < self.limit:
                self._under_way += 1
                return
            else:
                await self._room()

    async def _room(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._wake()  # the place that was meant for this one goes to the next
            raise

    def passed(self) -> None:
        """Note an answer other than a refusal."""
        self._pause = PAUSE
        self.limit = min(self.most, self.limit + 1 / self.limit)
        self.left()

    def left(self) -> None:
        """Note the end of a request that tells nothing about how much the service can take."""
        self._under_way -= 1
        self._wake()

    def refused(self, retry_after: str | None) -> None:
        """Note a refusal for want of room; `retry_after` is the header of that name."""
        self.refusals += 1
        now = self._clock()
        pause = 0.0
        if now >= self._resume_at:  # the first of its wave
            self.limit = max(1.0, self.limit / 2)
            pause = self._pause * (0.5 + self._chance())
            self._pause = min(LONGEST, 2 * self._pause)
        if (asked := seconds_of(retry_after)) is not None:
            pause = max(pause, min(asked, 3600.0) + self._chance())
        self._resume_at = max(self._resume_at, now + pause)
        self.left()

    def _wake(self) -> None:
        room = self.limit - self._under_way
        while self._waiting and room > 0:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                room -= 1
