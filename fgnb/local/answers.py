"""What the service answers about an execution, in its own form."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from msgspec import UNSET

from fgnb.local.catalog import OWNER
from fgnb.local.execution import Ended, Execution, Visit
from fgnb.local.executions import Record
from fgnb.local.functions import failure_text
from fgnb.local.options import Options
from fgnb.wire import (
    ERROR_MESSAGE_LIMIT,
    ExecutionBrief,
    ExecutionDetails,
    ExecutionStatus,
    NodeError,
    NodeExecution,
    NodeExecutionDetail,
    SyncExecution,
    format_time,
)

MAX_ERRORS = 200  # entries of an answer's ``errors``
MAX_NODES = 200  # nodes of an execution that are shown
MAX_NODE_EXECUTIONS = 200  # attempts and iterations of a node that are shown
SHOWN = 2048  # characters of a value's JSON text that is shown as it is

_iterencode = json.JSONEncoder(ensure_ascii=False).iterencode


def sync_answer(execution: Execution, ended: Ended, options: Options) -> SyncExecution:
    """Return the answer to a synchronous execution."""
    failed = list(ended.failed) if ended.status == "fail" or options.timeout_errors else []
    if options.handled_errors and ended.status == "fail":
        failed = [*(visit for visit in execution.visits or () if visit.handled), *failed]
    return SyncExecution(
        execution_id=execution.id,
        status=ended.status,
        output=ended.output,
        errors=tuple(_node_error(visit, options) for visit in failed[:MAX_ERRORS]),
        begin_time=time_text(ended.begin),
        end_time=time_text(ended.end),
    )


def documented_keys(answer: SyncExecution) -> dict[str, Any]:
    """Return an answer with ``output`` only on success, and ``errors`` only otherwise."""
    written = {name: getattr(answer, name) for name in answer.__struct_fields__}
    del written["errors" if answer.status == "success" else "output"]
    return written


def _node_error(visit: Visit, options: Options) -> NodeError:
    return NodeError(
        node_id=visit.step.id,
        error_message=error_text(visit, options),
        begin_time=time_text(visit.begin),
        end_time=time_text(visit.begin if visit.end is None else visit.end),
    )


def error_text(visit: Visit, options: Options) -> str:
    """Return a node's error message; "" if it has not failed."""
    if visit.failure is None:
        return ""
    if options.error_message == "object":
        return failure_text(visit.failure)
    return str(visit.failure["errorMessage"])[:ERROR_MESSAGE_LIMIT] or str(visit.failure["errorType"])


def time_text(moment: float) -> str:
    """Write seconds since the epoch as the service does: to the second."""
    return _second_text(int(moment))


@lru_cache(64)
def _second_text(second: int) -> str:
    return format_time(datetime.fromtimestamp(second, UTC))


def execution_brief(record: Record) -> ExecutionBrief:
    """Return an asynchronous execution as it stands in a list."""
    return ExecutionBrief(**_brief(record))


def _brief(record: Record) -> dict[str, Any]:
    return {
        "workflow_id": record.execution.workflow_id,
        "workflow_urn": record.workflow_urn,
        "execution_id": record.execution.id,
        "status": record.status,
        "begin_time": time_text(record.begin),
        "end_time": "" if record.end is None else time_text(record.end),
        "last_update_time": time_text(record.last_update),
        "created_by": OWNER,
    }


def execution_details(record: Record, options: Options, *, whole: bool) -> ExecutionDetails:
    """Return an asynchronous execution with its nodes, in the order in which they began first.

    A node's attempts and iterations stand together; of more than 200, the latest are shown.

    Args:
        record: the execution.
        options: in which form error messages are.
        whole: whether large inputs and outputs of nodes, and a large output of the execution, stay
            as they are; else the beginning of their JSON text stands for them, as
            ``{"truncated": "..."}``.
    """
    by_node: dict[str, list[Visit]] = {}
    for visit in record.visits:
        by_node.setdefault(visit.step.id, []).append(visit)
    nodes = [
        NodeExecutionDetail(
            node_id=node_id,
            node_name=visits[0].step.name,
            execution_id=f"{record.execution.id}:{node_id}",
            executions=tuple(_node_execution(visit, options, whole) for visit in visits[-MAX_NODE_EXECUTIONS:]),
        )
        for node_id, visits in list(by_node.items())[:MAX_NODES]
    ]
    return ExecutionDetails(
        **_brief(record),
        headers=dict(record.execution.headers),
        input=record.execution.input,
        output=_shown(record.output, whole),
        node_execution_details=tuple(nodes),
    )


def _node_execution(visit: Visit, options: Options, whole: bool) -> NodeExecution:
    return NodeExecution(
        status=_status(visit),
        input=_shown(visit.input, whole),
        output=_shown(visit.output, whole),
        begin_time=round(visit.begin * 1000),
        end_time=UNSET if visit.end is None else round(visit.end * 1000),
        error_message=error_text(visit, options),
    )


def _status(visit: Visit) -> ExecutionStatus:
    if visit.cancelled:
        return "cancel"
    if visit.end is None:
        return "running"
    if visit.failure is None:
        return "success"
    return "timeout" if visit.failure["errorType"] in ("FunctionTimeout", "WorkflowTimeout") else "fail"


def _shown(value: Any, whole: bool) -> Any:
    if whole:
        return value
    text = ""
    try:
        for part in _iterencode(value):
            text += part
            if len(text) > SHOWN:
                return {"truncated": text[:SHOWN]}
    except RecursionError:  # it goes on, but deeper than this can follow
        return {"truncated": text}
    return value
