"""The calls of the API that are about executions; pages 06_1001, 06_1005, 06_1006, 06_1011, 06_1016.

Each takes a request, the project's id and the ids in its path, and returns the status and the body
of the answer (None: it has none), or raises `Refused`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from fgnb.local.answers import documented_keys, execution_brief, execution_details, sync_answer
from fgnb.local.catalog import Catalog, Entry
from fgnb.local.engine import Engine
from fgnb.local.execution import Clock, Execution
from fgnb.local.executions import Executions, IdTaken, Record, WrongStatus
from fgnb.local.ids import new_id
from fgnb.local.metrics import Metrics
from fgnb.local.refusals import Refused, invalid
from fgnb.local.requests import Query, flag, header, read_body
from fgnb.local.traces import Traces
from fgnb.local.workflow_endpoints import found
from fgnb.wire import (
    NOT_FOUND,
    PAGE_SIZE,
    CallbackBody,
    ExecuteBody,
    ExecutionList,
    ExecutionPage,
    Request,
    StartAnswer,
)

DAYS = 3 * 24 * 60 * 60  # seconds of a list whose begin or end is not given
HISTORY_PAGE = 100  # entries in one page of the history
ID_HEADER = "X-WorkflowRun-ID"
MERGE_HEADER = "X-WorkflowRun-MergeFnParameters"
WHOLE_HEADER = "X-Get-Workflow-Full-History-Data"
RUN_HEADER = "X-Workflow-Run-Id"
STATE_HEADER = "X-Workflow-State-Id"
STATUSES = ("success", "fail", "running", "timeout", "cancel")

_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


class ExecutionEndpoints:
    """Executes workflows, synchronously or not, and shows and controls asynchronous executions."""

    def __init__(
        self, catalog: Catalog, engine: Engine, executions: Executions, metrics: Metrics, traces: Traces, clock: Clock
    ) -> None:
        self._catalog = catalog
        self._engine = engine
        self._executions = executions
        self._metrics = metrics
        self._traces = traces
        self._clock = clock

    async def run(self, request: Request, project: str, workflow_id: str) -> tuple[int, Any]:
        """Page 06_1016: the answer comes at the execution's end."""
        entry = found(self._catalog, workflow_id)
        options = self._engine.options
        if entry.plan.definition.mode != "EXPRESS" and options.normal_on_sync == "refuse":
            name = entry.plan.definition.name
            raise invalid(f"workflow '{name}' is NORMAL: only EXPRESS workflows run synchronously")
        execution = _execution(request, project, entry, visits=[] if self._traces.count else None)
        begin, status = self._clock.time(), "cancel"
        self._metrics.begin(workflow_id)
        try:
            ended = await self._engine.run(execution)
            status = ended.status
        finally:
            self._metrics.end(workflow_id, status, self._clock.time() - begin)
        self._traces.keep(execution)
        answer = sync_answer(execution, ended, options)
        return 200, answer if options.response_keys == "all" else documented_keys(answer)

    async def start(self, request: Request, project: str, workflow_id: str) -> tuple[int, Any]:
        """Page 06_1001; ``X-Create-Time`` is not looked at."""
        entry = found(self._catalog, workflow_id)
        id = header(request.headers, ID_HEADER)
        if id is not None and not _ID.fullmatch(id):
            raise invalid(f"{ID_HEADER} must be 1 to 64 letters, digits, - and _")
        merge = flag(request.headers, MERGE_HEADER)
        execution = _execution(request, project, entry, id=id or new_id(), merge=merge)
        try:
            self._executions.start(execution, entry.info.workflow_urn)
        except IdTaken as error:
            raise invalid(str(error)) from None
        return 200, StartAnswer(execution_id=execution.id)

    async def list(self, request: Request, project: str, workflow_id: str) -> tuple[int, Any]:
        """Page 06_1005, the latest first."""
        query = Query(request)
        limit = min(query.number("limit", PAGE_SIZE, least=0), PAGE_SIZE)
        offset = max(0, query.number("offset", 0))
        records = self._between(query, workflow_id, query.choice("status", *STATUSES))
        return 200, ExecutionList(executions=tuple(map(execution_brief, records[offset : offset + limit])))

    async def history(self, request: Request, project: str, workflow_id: str) -> tuple[int, Any]:
        """Answer ShowWorkflowExecutionForPage, the latest first."""
        query = Query(request)
        offset = query.number("offset", least=0)
        limit = query.number("limit", least=1, most=HISTORY_PAGE)
        records = self._between(query, workflow_id)
        shown = tuple(map(execution_brief, records[offset : offset + limit]))
        return 200, ExecutionPage(total=len(records), size=len(shown), executions=shown)

    def _between(self, query: Query, workflow_id: str, status: str = "") -> Sequence[Record]:
        """Return the executions of the time that is asked for: three days, where it has no begin or no end."""
        found(self._catalog, workflow_id)
        start, end = query.time("start_time"), query.time("end_time")
        if start is None:
            end = self._clock.time() if end is None else end
            start = end - DAYS
        elif end is None:
            end = start + DAYS
        return self._executions.of(workflow_id, start=start, end=end, status=status)

    async def show(self, request: Request, project: str, workflow_id: str, execution_id: str) -> tuple[int, Any]:
        """Page 06_1006."""
        whole = flag(request.headers, WHOLE_HEADER)
        record = self._record(workflow_id, execution_id)
        return 200, execution_details(record, self._engine.options, whole=bool(whole))

    async def terminate(self, request: Request, project: str, workflow_id: str, execution_id: str) -> tuple[int, Any]:
        """Answer StopWorkFlow."""
        return self._change(self._executions.terminate, workflow_id, execution_id)

    async def retry(self, request: Request, project: str, workflow_id: str, execution_id: str) -> tuple[int, Any]:
        """Page 06_1011."""
        return self._change(self._executions.retry, workflow_id, execution_id)

    def _change(self, change: Callable[[Record], None], workflow_id: str, execution_id: str) -> tuple[int, None]:
        try:
            change(self._record(workflow_id, execution_id))
        except WrongStatus as error:
            raise invalid(str(error)) from None
        return 200, None

    async def call_back(self, request: Request, project: str, workflow_id: str) -> tuple[int, Any]:
        """Refuse CreateCallbackWorkflow: no execution here ever waits for a callback."""
        found(self._catalog, workflow_id)
        for name in (RUN_HEADER, STATE_HEADER):
            if not header(request.headers, name):
                raise invalid(f"the header {name} is missing")
        read_body(request, CallbackBody)
        raise invalid("the embedded service has no callback nodes, so no execution waits for a callback")

    def _record(self, workflow_id: str, execution_id: str) -> Record:
        record = self._executions.find(workflow_id, execution_id)
        if record is None:
            raise Refused(404, NOT_FOUND, "Function flow execution not found.")
        return record


def _execution(request: Request, project: str, entry: Entry, **more: Any) -> Execution:
    """Return the execution that a request asks for; `more` are further fields of it."""
    body = read_body(request, ExecuteBody)
    return Execution(
        plan=entry.plan,
        input=body.input,
        headers=body.headers or {},
        project_id=project,
        workflow_id=entry.info.id,
        **more,
    )
