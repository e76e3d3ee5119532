"""The description of the embedded service as an OpenAPI 3.1 document.

Bodies are those of `fgnb.wire`, as it reads and writes them; what the official pages call an object
and the service lets be any JSON value is described as that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from fgnb.local.execution_endpoints import (
    HISTORY_PAGE,
    ID_HEADER,
    MERGE_HEADER,
    RUN_HEADER,
    STATE_HEADER,
    STATUSES,
    WHOLE_HEADER,
)
from fgnb.local.metrics import SERIES
from fgnb.signature import ALGORITHM
from fgnb.wire import (
    REQUEST_ID_HEADER,
    SYNC_EXECUTIONS,
    CallbackBody,
    DeleteBody,
    Deletion,
    ErrorBody,
    ExecuteBody,
    ExecutionDetails,
    ExecutionList,
    ExecutionPage,
    QuotaAnswer,
    StartAnswer,
    SyncExecution,
    WorkflowDefinition,
    WorkflowInfo,
    WorkflowPage,
    WorkflowStatistics,
    WorkflowSummary,
)

PATH = "/openapi.json"

Schema = dict[str, Any]

_ROOT = "/v2/{project_id}/fgs"
_ONE = f"{_ROOT}/workflows/{{workflow_id}}"
_EXECUTION = f"{_ONE}/executions/{{execution_id}}"
_WHOLE_MOST = 10**18 - 1

_REFUSALS = {
    400: "The request makes no sense: FGS.3002.",
    401: "The request is not signed, or wrongly: APIGW.0301.",
    404: "There is no such workflow or execution (FGS.5002), or no such path or method (APIGW.0101).",
    408: "The body did not come in time: FSS.0408.",
    413: "The body is over 12 MB: APIGW.0201.",
    500: "It is not the request's fault: FGS.3002.",
}


def _text(least: int, most: int) -> Schema:
    return {"type": "string", "minLength": least, "maxLength": most}


def _whole(least: int = -_WHOLE_MOST, most: int = _WHOLE_MOST) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


def _parameter(name: str, place: str, schema: Schema, description: str = "", *, required: bool = False) -> Schema:
    told = {"description": description} if description else {}
    return {"name": name, "in": place, "required": required or place == "path", "schema": schema} | told


_TIME = {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$"}
_BETWEEN = (
    _parameter("start_time", "query", _TIME, "UTC; three days before the end, if it is not given."),
    _parameter("end_time", "query", _TIME, "UTC; three days after the begin, if it is not given; without both, now."),
)
_PERIODS = (
    _parameter("period", "query", _whole(1), "Minutes; 5 by default."),
    _parameter("start_time", "query", _whole(0), "Milliseconds since the epoch; at the earliest 24 hours ago."),
    _parameter("end_time", "query", _whole(0), "Milliseconds since the epoch; at the latest now."),
)
_ID = {"type": "string", "pattern": "^[0-9A-Za-z_-]{1,64}$"}
_KIND = {"type": "string", "examples": list(SERIES)}
_FLAG = {"type": "string", "enum": ["true", "false"]}
_OFFSET = _parameter("offset", "query", _whole(), "0 by default, and if it is negative.")
_IN_PATH = {
    "project_id": _text(1, 64),
    "workflow_id": _text(1, 512),
    "execution_id": _text(1, 64),
    "workflow_urn": _text(1, 256),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call: its body's and its answer's types, None where there is none."""

    method: str
    path: str
    id: str
    summary: str
    answer: Any = None
    status: int = 200
    body: Any = None
    parameters: tuple[Schema, ...] = ()


OPERATIONS = (
    Operation(
        method="get",
        path=f"{_ROOT}/workflows",
        id="ListWorkflow",
        summary="List the workflows",
        answer=WorkflowPage,
        parameters=(
            _parameter("workflow_name", "query", _text(0, 64), "Stands anywhere in the name."),
            _parameter("limit", "query", _whole(1), "200 by default, and at most."),
            _OFFSET,
            _parameter("enterprise_project", "query", {"type": "string"}, "Not looked at."),
            _parameter("mode", "query", {"type": "string", "enum": ["NORMAL", "EXPRESS", ""]}),
        ),
    ),
    Operation(
        method="post",
        path=f"{_ROOT}/workflows",
        id="CreateWorkflow",
        summary="Create a workflow",
        answer=WorkflowSummary,
        status=201,
        body=WorkflowDefinition,
    ),
    Operation(
        method="delete",
        path=f"{_ROOT}/workflows",
        id="BatchDeleteWorkflows",
        summary="Delete up to 100 workflows",
        answer=Deletion,
        body=DeleteBody,
    ),
    Operation(method="get", path=_ONE, id="ShowWorkFlow", summary="Show a workflow", answer=WorkflowInfo),
    Operation(
        method="put",
        path=_ONE,
        id="UpdateWorkFlow",
        summary="Replace a workflow's definition",
        answer=WorkflowSummary,
        body=WorkflowDefinition,
    ),
    Operation(
        method="post",
        path=f"{_ONE}/{SYNC_EXECUTIONS}",
        id="StartSyncWorkflowExecution",
        summary="Execute an EXPRESS workflow and wait for its end",
        answer=SyncExecution,
        body=ExecuteBody,
    ),
    Operation(
        method="post",
        path=f"{_ONE}/executions",
        id="StartWorkflowExecution",
        summary="Start an execution",
        answer=StartAnswer,
        body=ExecuteBody,
        parameters=(
            _parameter(ID_HEADER, "header", _ID, "The id it gets."),
            _parameter(MERGE_HEADER, "header", _FLAG, "Whether a state's output is merged into its input."),
            _parameter("X-Create-Time", "header", {"type": "string"}, "Not looked at."),
        ),
    ),
    Operation(
        method="get",
        path=f"{_ONE}/executions",
        id="ListWorkflowExecutions",
        summary="List asynchronous executions, the latest first",
        answer=ExecutionList,
        parameters=(
            _parameter("limit", "query", _whole(0), "200 by default, and at most."),
            _OFFSET,
            _parameter("status", "query", {"type": "string", "enum": [*STATUSES, ""]}),
            *_BETWEEN,
        ),
    ),
    Operation(
        method="get",
        path=f"{_ONE}/executions-history",
        id="ShowWorkflowExecutionForPage",
        summary="List asynchronous executions by pages, the latest first",
        answer=ExecutionPage,
        parameters=(
            _parameter("offset", "query", _whole(0), required=True),
            _parameter("limit", "query", _whole(1, HISTORY_PAGE), required=True),
            *_BETWEEN,
        ),
    ),
    Operation(
        method="get",
        path=_EXECUTION,
        id="ShowWorkflowExecution",
        summary="Show an asynchronous execution",
        answer=ExecutionDetails,
        parameters=(_parameter(WHOLE_HEADER, "header", _FLAG, "Whether large values are not cut."),),
    ),
    Operation(method="post", path=f"{_EXECUTION}/terminate", id="StopWorkFlow", summary="End a running execution"),
    Operation(
        method="post",
        path=f"{_EXECUTION}/retry",
        id="RetryWorkFlow",
        summary="Run a failed execution of a NORMAL workflow again, from its start",
    ),
    Operation(
        method="post",
        path=f"{_ONE}/callback",
        id="CreateCallbackWorkflow",
        summary="Is always refused: there are no callback nodes here",
        answer=StartAnswer,
        body=CallbackBody,
        parameters=(
            _parameter(RUN_HEADER, "header", _text(1, 64), required=True),
            _parameter(STATE_HEADER, "header", _text(1, 64), required=True),
        ),
    ),
    Operation(
        method="get",
        path=f"{_ROOT}/workflow-statistic",
        id="ShowTenantMetric",
        summary="Count the executions of all workflows",
        answer=WorkflowStatistics,
        parameters=(
            *_PERIODS,
            _parameter("metric_type", "query", _KIND, "Another one asks for all."),
        ),
    ),
    Operation(
        method="get",
        path=f"{_ROOT}/workflow-statistic/{{workflow_urn}}",
        id="ShowWorkFlowMetric",
        summary="Count a workflow's executions",
        answer=WorkflowStatistics,
        parameters=_PERIODS,
    ),
    Operation(
        method="get",
        path=f"{_ROOT}/quotas",
        id="ListQuotas",
        summary="Show how many workflows there may be",
        answer=QuotaAnswer,
    ),
)
"""Every call of the service but the one that gives this description."""


@cache
def document(*, secured: bool) -> bytes:
    """Return the description as JSON text.

    Args:
        secured: whether requests must be signed.
    """
    kinds = [kind for one in OPERATIONS for kind in (one.answer, one.body) if kind is not None]
    _, components = msgspec.json.schema_components([*kinds, ErrorBody], ref_template="#/components/schemas/{name}")
    schemas = _portable(components)
    _say_what_is_always_there(schemas)
    paths: dict[str, dict[str, Any]] = {}
    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method] = _described(one, secured)
    paths[PATH] = {
        "get": {
            "operationId": "ShowDescription",
            "summary": "This document; it needs no signature",
            "security": [],
            "responses": {"200": _answer("The document.", {"type": "object"})},
        }
    }
    signature = {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": f"A signature {ALGORITHM} with an access key.",
    }
    whole: Schema = {
        "openapi": "3.1.0",
        "info": {"title": "The embedded workflow service of fgnb", "version": "2"},
        "paths": paths,
        "components": {"schemas": schemas} | ({"securitySchemes": {"signature": signature}} if secured else {}),
    } | ({"security": [{"signature": []}]} if secured else {})
    return json.dumps(whole, ensure_ascii=False).encode()


def _described(one: Operation, secured: bool) -> Schema:
    path = [_parameter(name, "path", _IN_PATH[name]) for name in re.findall(r"{(\w+)}", one.path)]
    responses = {str(one.status): _answer("Done.", one.answer and _reference(one.answer))}
    for status, reason in _REFUSALS.items():
        if secured or status != 401:
            responses[str(status)] = _answer(reason, _reference(ErrorBody))
    content = {"application/json": {"schema": one.body and _reference(one.body)}}
    body = {"requestBody": {"required": True, "content": content}} if one.body else {}
    head = {"operationId": one.id, "summary": one.summary, "parameters": [*path, *one.parameters]}
    return head | body | {"responses": responses}


def _reference(kind: Any) -> Schema:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _answer(description: str, schema: Schema | None) -> Schema:
    header = {REQUEST_ID_HEADER: {"required": True, "schema": {"type": "string", "format": "uuid"}}}
    content = {"content": {"application/json": {"schema": schema}}} if schema else {}
    return {"description": description, "headers": header} | content


def _portable(value: Any) -> Any:
    r"""Return schemas with patterns that other languages than Python read: ``\Z`` is its own."""
    if isinstance(value, Mapping):
        return {
            name: member.replace(r"\Z", "$") if name == "pattern" and isinstance(member, str) else _portable(member)
            for name, member in value.items()
        }
    return [_portable(item) for item in value] if isinstance(value, list | tuple) else value


def _say_what_is_always_there(schemas: dict[str, Schema]) -> None:
    """Narrow types that a client reads with more patience than the service needs."""
    always = {
        "ErrorBody": ("error_code", "error_msg"),
        "SyncExecution": ("execution_id", "status", "begin_time", "end_time"),
    }
    for kind in ("WorkflowSummary", "WorkflowPage", "WorkflowInfo", "WorkflowStatistics"):
        always[kind] = tuple(schemas[kind]["properties"])
    for kind, names in always.items():
        schemas[kind]["required"] = list(names)
    schemas["SyncExecution"]["properties"]["status"] = {"enum": ["success", "fail", "timeout"]}
