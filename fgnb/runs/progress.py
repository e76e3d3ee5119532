"""How far a sweep is: counts, rate and time left."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from fgnb.runs.run import in_order

State = Literal["running", "waiting", "finishing", "cancelling", "done", "cancelled", "interrupted", "stopped"]

WINDOW = 15.0  # seconds over which the rate is taken
STEP = 0.5  # seconds between two points of it
_NOT_FAILED = ("success", "unknown", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a sweep is at one moment.

    Attributes:
        title: the workflow, and the sweep's name.
        state: what it is about.
        done: runs that have ended.
        failed: those of them that the workflow or the service failed: every status but ``success``,
            ``unknown`` and ``cancelled``.
        counts: those that have ended, by status, in the order of `fgnb.runs.run.STATUSES`.
        skipped: inputs that had a record before, and were not sent.
        unknown_before: those of them whose record does not tell how the run ended; `resume="retry-unknown"`
            sends them again, unless another process has them under way.
        total: inputs in all, or None where that is not known.
        under_way: runs that have been sent and have not ended.
        elapsed: seconds since the start.
        rate: runs per second, lately.
        left: seconds that the rest will take at this rate, or None where that is not known.
        note: what it waits for, or why it stopped, in words.
    """

    title: str
    state: State
    done: int
    failed: int
    counts: Mapping[str, int]
    skipped: int
    unknown_before: int
    total: int | None
    under_way: int
    elapsed: float
    rate: float
    left: float | None
    note: str = ""

    @property
    def over(self) -> bool:
        """Whether the sweep has ended."""
        return self.state in ("done", "cancelled", "interrupted", "stopped")


class Meter:
    """Counts the runs of a sweep as they begin and end.

    Args:
        title: see `Progress`.
        total: see `Progress`.
        clock: in seconds.
    """

    def __init__(self, title: str, *, total: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._title = title
        self._total = total
        self._clock = clock
        self._start = clock()
        self._end: float | None = None
        self._counts: dict[str, int] = {}
        self._done = 0
        self._began = 0
        self._skipped = 0
        self._unknown_before = 0
        self._points: deque[tuple[float, int]] = deque([(self._start, 0)])

    def began(self) -> None:
        """Count a run that is sent."""
        self._began += 1

    def ended(self, status: str) -> None:
        """Count a run that has ended."""
        self._done += 1
        self._counts[status] = self._counts.get(status, 0) + 1

    def skipped(self, *, unknown: bool = False) -> None:
        """Count an input that has a record already; `unknown` if that does not tell how the run ended."""
        self._skipped += 1
        self._unknown_before += unknown

    def now(self, state: State = "running", *, note: str = "") -> Progress:
        """Return how far it is; once `state` is an end, the time stands still."""
        at = self._clock()
        over = state in ("done", "cancelled", "interrupted", "stopped")
        if over:
            self._end = at = self._end or at
        rate = self._done / (at - self._start) if over and at > self._start else self._rate(at)
        left = None
        if self._total is not None and not over:
            rest = max(0, self._total - self._done - self._skipped)  # the total is the user's word
            left = rest / rate if rate > 0 else None
        counts = in_order(self._counts)
        return Progress(
            title=self._title,
            state=state,
            done=self._done,
            failed=sum(count for status, count in counts.items() if status not in _NOT_FAILED),
            counts=counts,
            skipped=self._skipped,
            unknown_before=self._unknown_before,
            total=self._total,
            under_way=max(0, self._began - self._done),
            elapsed=at - self._start,
            rate=rate,
            left=left,
            note=note,
        )

    def _rate(self, at: float) -> float:
        if at - self._points[-1][0] >= STEP:
            self._points.append((at, self._done))
            # One point from before the window stays: after a long pause there is no other to measure from.
            while len(self._points) > 2 and at - self._points[1][0] > WINDOW:
                self._points.popleft()
        since, before = self._points[0]
        return (self._done - before) / (at - since) if at > since else 0.0
