"""Counts executions by the minute: how many began, failed and ran, and how long they took."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from fgnb.background import forget_in_child
from fgnb.wire import Value, WorkflowStatistics

KEPT = 24 * 60  # minutes that are kept

SERIES = {
    "totalCount": ("count",),
    "errorCount": ("fail_count",),
    "averageDuration": ("duration",),
    "running": ("running_count",),
    "rejectCount": (),  # the answer has no place for it, and nothing is throttled here
}
"""The series of an answer by ``metric_type``; page of ShowTenantMetric."""

ALL_SERIES = ("count", "duration", "fail_count", "running_count")


@dataclass(slots=True)
class _Minute:
    begun: int = 0
    ended: int = 0
    failed: int = 0
    seconds: float = 0.0

    def add(self, other: _Minute) -> None:
        self.begun += other.begun
        self.ended += other.ended
        self.failed += other.failed
        self.seconds += other.seconds


class Metrics:
    """What was counted in the last 24 hours; page 01_0311 of the console's guide.

    Synchronous and asynchronous executions count alike, from when they begin to run. Those that fail
    or take too long are errors; the average duration is of those that ended in a period. A sub-flow
    that is waited for is a part of its execution.

    Args:
        time: seconds since the epoch.
    """

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._minutes: dict[int, dict[str, _Minute]] = {}
        self.forget()
        forget_in_child(self)

    def forget(self) -> None:
        """Take a lock of this process's own: what runs belongs to another one."""
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()

    def begin(self, workflow_id: str) -> None:
        """Count an execution that begins to run."""
        with self._lock:
            self._running[workflow_id] += 1
            self._minute(workflow_id).begun += 1

    def end(self, workflow_id: str, status: str, seconds: float) -> None:
        """Count an execution that ended after so many seconds."""
        with self._lock:
            self._running[workflow_id] -= 1
            if self._running[workflow_id] <= 0:
                del self._running[workflow_id]
            minute = self._minute(workflow_id)
            minute.ended += 1
            minute.failed += status in ("fail", "timeout")
            minute.seconds += seconds

    def _minute(self, workflow_id: str) -> _Minute:
        now = int(self._time() // 60)
        by_workflow = self._minutes.get(now)
        if by_workflow is None:
            by_workflow = self._minutes[now] = {}
            for minute in [minute for minute in self._minutes if minute <= now - KEPT]:
                del self._minutes[minute]
        found = by_workflow.get(workflow_id)
        if found is None:
            found = by_workflow[workflow_id] = _Minute()
        return found

    def statistics(
        self,
        workflow_id: str | None,
        *,
        period: int,
        start: float | None = None,
        end: float | None = None,
        series: tuple[str, ...] = ALL_SERIES,
    ) -> WorkflowStatistics:
        """Return series of figures, a value per period.

        Args:
            workflow_id: whose executions; None for those of all workflows.
            period: minutes.
            start: when the first period begins, in seconds since the epoch, down to the minute; at the
                earliest 24 hours ago. By default it is as early as that, or a little earlier: at a
                multiple of `period`, so that values stay comparable from one look to the next.
            end: before when the last one begins; by default, and at the latest, now.
            series: those that are asked for; the others stay empty.
        """
        now = int(self._time() // 60)
        oldest = now - KEPT + 1
        first = oldest // period * period if start is None else max(oldest, int(start // 60))
        beyond = now + 1 if end is None else min(now + 1, -int(-end // 60))
        with self._lock:
            running, totals = self._totals(workflow_id)
        sums: dict[int, _Minute] = {}
        for minute, counts in totals.items():
            sums.setdefault((minute - first) // period, _Minute()).add(counts)
        begins = range(first, beyond, period)
        for place in [place for place in sums if place >= len(begins)]:
            running += sums[place].ended - sums[place].begun
        periods = []
        for place in reversed(range(len(begins))):
            total = sums.get(place, _Minute())
            periods.append((begins[place] * 60_000, total, max(0, running)))
            running += total.ended - total.begun  # what ran at its begin
        periods.reverse()
        figures: dict[str, Callable[[_Minute, int], float]] = {
            "count": lambda total, _: total.begun,
            "duration": lambda total, _: total.seconds * 1000 / total.ended if total.ended else 0,
            "fail_count": lambda total, _: total.failed,
            "running_count": lambda _, running: running,
        }
        return WorkflowStatistics(
            **{
                name: tuple(
                    Value(timestamp=at, value=float(figures[name](total, running))) for at, total, running in periods
                )
                for name in series
            }
        )

    def _totals(self, workflow_id: str | None) -> tuple[int, dict[int, _Minute]]:
        """Return how many run now, and copies of the minutes' counts."""
        totals: dict[int, _Minute] = {}
        for minute, by_workflow in self._minutes.items():
            chosen = by_workflow.items() if workflow_id is None else [(workflow_id, by_workflow.get(workflow_id))]
            for _, counts in chosen:
                if counts is not None:
                    totals.setdefault(minute, _Minute()).add(counts)
        running = self._running.total() if workflow_id is None else self._running[workflow_id]
        return running, totals
