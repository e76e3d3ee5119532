"""An execution of a workflow, as the service takes and answers it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from fgnb.jsontext import dumps

ExecutionStatus = Literal["success", "fail", "running", "timeout", "cancel"]


class NodeError(Struct, frozen=True, kw_only=True):
    """An entry of ``errors``: which node failed, why, and when (the service's own texts)."""

    node_id: str
    error_message: str = ""
    begin_time: str | None = None
    end_time: str | None = None


class SyncExecution(Struct, frozen=True, kw_only=True):
    """The answer to a synchronous execution; page 06_1016.

    The page says that `output` is there only on success and `errors` only on failure, the OpenAPI
    text that all six fields always are: both are read.
    """

    execution_id: Annotated[str, Meta(min_length=1)]
    status: Annotated[str, Meta(min_length=1)]
    output: Any = None
    errors: tuple[NodeError, ...] | None = ()
    begin_time: str | None = None
    end_time: str | None = None


class ExecuteBody(Struct, frozen=True, kw_only=True):
    """What starts an execution, synchronous or not.

    The pages type `input` as an object; any value is let through, since a workflow can work on it
    and a client must be able to rely on getting back what it sent.
    """

    input: Any
    headers: dict[str, Any] | None = None


class CallbackBody(Struct, frozen=True, kw_only=True):
    """What resumes a callback node; page of CreateCallbackWorkflow."""

    result: Literal["success", "fail"]
    output: dict[str, Any]
    error: Annotated[str, Meta(min_length=1, max_length=64)] | UnsetType = UNSET


class StartAnswer(Struct, frozen=True, kw_only=True):
    """The answer to the start of an asynchronous execution; page 06_1001."""

    execution_id: str


class ExecutionBrief(Struct, frozen=True, kw_only=True):
    """An asynchronous execution in a list; page 06_1005. `end_time` is empty while it runs."""

    workflow_id: str
    workflow_urn: str
    execution_id: str
    status: ExecutionStatus
    begin_time: str
    end_time: str
    last_update_time: str
    created_by: str


class ExecutionList(Struct, frozen=True, kw_only=True):
    """The asynchronous executions of a workflow; page 06_1005."""

    executions: Annotated[tuple[ExecutionBrief, ...], Meta(max_length=999)]


class ExecutionPage(Struct, frozen=True, kw_only=True):
    """A page of them; `total` counts all pages."""

    total: int
    size: Annotated[int, Meta(le=100)]
    executions: Annotated[tuple[ExecutionBrief, ...], Meta(max_length=100)]


class NodeExecution(Struct, frozen=True, kw_only=True):
    """One attempt at a node, or one iteration; times in milliseconds since the epoch, UTC.

    A node that still runs has no `end_time`. `request_id` is empty: nobody knows the ids of calls
    within this process.
    """

    status: ExecutionStatus
    input: Any
    output: Any
    begin_time: int
    end_time: int | UnsetType = UNSET
    error_message: str = ""
    request_id: str = ""


class NodeExecutionDetail(Struct, frozen=True, kw_only=True):
    """What happened at one node."""

    node_id: str
    node_name: str
    execution_id: str
    executions: Annotated[tuple[NodeExecution, ...], Meta(max_length=200)]


class ExecutionDetails(ExecutionBrief, frozen=True, kw_only=True):
    """An asynchronous execution as a whole; page 06_1006."""

    headers: dict[str, Any]
    input: Any
    output: Any
    node_execution_details: Annotated[tuple[NodeExecutionDetail, ...], Meta(max_length=200)]


def execute_body(text: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the body of a synchronous execution; `text` is the input as JSON.

    Raises:
        InputError: the headers can't be written.
    """
    return b'{"headers":%b,"input":%b}' % (dumps(dict(headers)), text) if headers else b'{"input":%b}' % text
