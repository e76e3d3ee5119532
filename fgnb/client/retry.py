"""When to send again what certainly had no effect: how long to wait, and when to give up."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime

from fgnb.wire import parse_http_date

CONNECTS = 3  # attempts at a connection: a wrong port is told soon
CONNECT_PAUSE = 0.25  # seconds before the second of them, about
PAUSE = 2.0  # seconds before a request that was throttled is sent again, about: the gateway's pages say 2 to 5
LONGEST = 16.0


class Retry:
    """The pauses between attempts at one request: they double, with jitter.

    Args:
        budget: seconds from now in which another attempt may begin; 0 for none.
        connects: how many attempts at a connection are made within it.
        clock: in seconds.
        chance: a number from 0 to 1, at random.
    """

    def __init__(
        self,
        budget: float,
        *,
        connects: float = CONNECTS,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._chance = chance
        self._end = clock() + budget
        self._most = connects
        self._connects = 1
        self._pause = PAUSE

    def after_failed_connection(self) -> float | None:
        """Return the seconds to wait before the next attempt, or None to give up."""
        if self._connects >= self._most:
            return None
        self._connects += 1
        return self._within_budget(self._jittered(min(LONGEST, CONNECT_PAUSE * 2 ** min(self._connects - 2, 9))))

    def after_refusal(self, retry_after: str | None) -> float | None:
        """Return the seconds to wait after "too many requests", or None to give up.

        Args:
            retry_after: the header ``Retry-After``: seconds, or a date. Never sooner than it says.
        """
        pause = self._jittered(self._pause)
        self._pause = min(LONGEST, 2 * self._pause)
        if (asked := seconds_of(retry_after)) is not None:
            pause = max(pause, asked + self._chance())  # a sweep's requests don't all come back in the same instant
        return self._within_budget(pause)

    def _jittered(self, pause: float) -> float:
        return pause * (0.5 + self._chance())

    def _within_budget(self, pause: float) -> float | None:
        return pause if self._clock() + pause < self._end else None


def seconds_of(retry_after: str | None) -> float | None:
    """Read a header ``Retry-After`` (RFC 9110, 10.2.3); None if there is none or it can't be read."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)  # of any length, up to infinity
    date = parse_http_date(text)
    return None if date is None else max(0.0, (date - datetime.now(UTC)).total_seconds())
