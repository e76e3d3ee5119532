"""The asynchronous executions of an embedded service: those that run, and the latest that have ended."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from fgnb.background import BackgroundLoop, forget_in_child
from fgnb.errors import ConfigError
from fgnb.local.execution import Ended, Execution, Visit
from fgnb.local.latest import Latest, footprint
from fgnb.local.metrics import Metrics
from fgnb.wire import ExecutionStatus

log = logging.getLogger("fgnb.local")

MAX_ENDED = 1000  # executions that are kept after their end


class IdTaken(ConfigError):
    """Another execution has this id."""

    def __init__(self, id: str) -> None:
        super().__init__(f"there is an execution '{id}' already")


class WrongStatus(ConfigError):
    """An execution is not in the state that a request asks for."""


@dataclass(slots=True, eq=False)
class Record:
    """What is known of an asynchronous execution; times in seconds since the epoch.

    A retry is another try of the same execution: `earlier` are the visits of those before, `tried`
    is when the last one began. `seen` are all visits once it has ended: a thread that is left behind
    may still go on.
    """

    execution: Execution
    workflow_urn: str
    begin: float
    tried: float
    status: ExecutionStatus = "running"
    end: float | None = None
    output: Any = None
    earlier: tuple[Visit, ...] = ()
    seen: tuple[Visit, ...] | None = None
    task: asyncio.Task[None] | None = None

    @property
    def is_express(self) -> bool:
        """Whether its workflow is EXPRESS."""
        return self.execution.plan.definition.mode == "EXPRESS"

    @property
    def visits(self) -> tuple[Visit, ...]:
        """What has happened so far, in all tries."""
        return self.seen if self.seen is not None else (*self.earlier, *(self.execution.visits or ()))

    @property
    def last_update(self) -> float:
        """When something happened last."""
        if self.end is not None:
            return self.end
        if not self.execution.visits:
            return self.tried
        last = self.execution.visits[-1]
        return last.begin if last.end is None else last.end


class Executions:
    """Runs executions on an event loop of its own, so that they outlive the one that started them.

    Of those that have ended, the latest 1,000 are kept, or as many as 64 MB hold. EXPRESS ones are
    not, since the service keeps no history of them, unless `keep_express`.

    Args:
        run: runs an execution to its end.
        metrics: where they are counted.
        time: seconds since the epoch.
        keep_express: whether EXPRESS executions are kept after their end.
    """

    def __init__(
        self,
        run: Callable[[Execution], Awaitable[Ended]],
        metrics: Metrics,
        time: Callable[[], float],
        *,
        keep_express: bool,
    ) -> None:
        self._run = run
        self._metrics = metrics
        self._time = time
        self._keep_express = keep_express
        self._loop = BackgroundLoop("fgnb-executions")
        self._ended: Latest[Record] = Latest(MAX_ENDED)
        self.forget()
        forget_in_child(self)

    def forget(self) -> None:
        """Let go of what runs: in the child of a fork, nobody carries it on."""
        self._lock = threading.Lock()
        self._running: dict[str, Record] = {}

    def start(self, execution: Execution, workflow_urn: str) -> None:
        """Start an execution; NORMAL ones may take as long as they like.

        Raises:
            IdTaken: another one has its id.
        """
        execution.unlimited = execution.plan.definition.mode == "NORMAL"
        execution.visits = []
        now = self._time()
        record = Record(execution, workflow_urn, begin=now, tried=now)
        with self._lock:
            if execution.id in self._running or self._ended.get(execution.id) is not None:
                raise IdTaken(execution.id)
            self._running[execution.id] = record
        self._begin(record)

    def _begin(self, record: Record) -> None:
        self._metrics.begin(record.execution.workflow_id)
        self._loop.submit(self._follow(record))

    async def _follow(self, record: Record) -> None:
        execution = record.execution
        with self._lock:
            if record.status != "running":  # terminated before it began
                return
            record.task = asyncio.current_task()
        try:
            ended = await self._run(execution)
        except asyncio.CancelledError:  # whoever terminated it has noted that
            return
        except Exception:
            log.exception("execution %s failed inside the embedded service", execution.id)
            ended = Ended(status="fail", begin=record.tried, end=self._time())
        self._note_end(record, ended.status, ended.end, ended.output)

    def _note_end(self, record: Record, status: str, end: float, output: Any = None) -> bool:
        """Note how an execution ended, unless that is known already."""
        execution = record.execution
        size = footprint(record.visits, execution.input, execution.headers, output)
        with self._lock:
            if record.status != "running":
                return False
            record.seen, record.output, record.end = record.visits, output, end
            record.status = status  # type: ignore[assignment]  # the engine's words are the service's
            del self._running[execution.id]
            if self._keep_express or not record.is_express:
                self._ended.put(execution.id, record, size)
        self._metrics.end(execution.workflow_id, status, end - record.tried)
        return True

    def terminate(self, record: Record) -> None:
        """End a running execution at once; a function that still runs is left behind.

        Raises:
            WrongStatus: it does not run any more.
        """
        now = self._time()
        if not self._note_end(record, "cancel", now):
            raise WrongStatus(f"execution '{record.execution.id}' is not running: its status is {record.status}")
        for visit in list(record.execution.running):
            visit.end, visit.cancelled = now, True
        if record.task is not None:
            record.task.get_loop().call_soon_threadsafe(record.task.cancel)

    def retry(self, record: Record) -> None:
        """Run a failed execution of a NORMAL workflow again under its id, from the start (page 06_1011).

        Raises:
            WrongStatus: it has not failed, or its workflow is EXPRESS.
        """
        id = record.execution.id
        if record.is_express:
            raise WrongStatus(f"execution '{id}' is of an EXPRESS workflow: only NORMAL ones can be retried")
        with self._lock:
            if record.status != "fail":
                raise WrongStatus(f"execution '{id}' has not failed: its status is {record.status}")
            record.earlier = record.visits
            record.execution = replace(record.execution, visits=[], running=set())
            record.seen, record.end, record.task, record.tried = None, None, None, self._time()
            record.status = "running"
            self._ended.pop(id)
            self._running[id] = record
        self._begin(record)

    def find(self, workflow_id: str, execution_id: str) -> Record | None:
        """Return an execution of a workflow, be that deleted or not; None if it is not, or no longer, there."""
        record = self.get(execution_id)
        return record if record is not None and record.execution.workflow_id == workflow_id else None

    def get(self, execution_id: str) -> Record | None:
        """Return an execution; None if it is not, or no longer, there."""
        with self._lock:
            return self._running.get(execution_id) or self._ended.get(execution_id)

    def of(self, workflow_id: str, *, start: float, end: float, status: str = "") -> list[Record]:
        """Return a workflow's executions that began in a time, the latest first.

        Args:
            workflow_id: the workflow's id.
            start: seconds since the epoch; included, as is `end`, to the second.
            end: seconds since the epoch.
            status: what their status must be, if it matters.
        """
        with self._lock:
            known = [*self._ended.values(), *self._running.values()]
        found = [
            record
            for record in known
            if record.execution.workflow_id == workflow_id
            and start <= record.begin < end + 1
            and status in ("", record.status)
        ]
        return sorted(found, key=lambda record: record.begin, reverse=True)
