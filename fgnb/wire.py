"""The service's contract: what is sent and what comes back, as frozen typed values.

This is the only module that writes the service's field names. Everything is parsed once, at the
edge; unknown fields are never fatal (whoever needs them keeps the raw value beside the typed one).
Limits and patterns are those of the API reference, pages 06_1004 and 06_1016 of FunctionGraph's
``api-functiongraph`` documents, and of the OpenAPI text behind them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, Protocol, TypeVar

import msgspec
from msgspec import Meta, Struct

from fgnb.errors import Problem

NAME_PATTERN = r"^([_a-zA-Z0-9().-]|[\u4e00-\u9fa5])+\Z"  # not $, which lets a last line break pass
_TEXT_PATTERN = NAME_PATTERN.replace("+", "*")
BODY_LIMIT = 12 * 1024 * 1024  # bytes; the gateway's limit (APIGW.0201, status 413)
PAYLOAD_LIMIT = 6 * 1024 * 1024  # bytes; a function's limit each way
EXPRESS_LIMIT = 300.0  # seconds an express workflow may take
PAGE_SIZE = 200  # workflows in one page of a list
ERROR_MESSAGE_LIMIT = 2048  # characters of a node error's message
INVALID = "FGS.3002"
NOT_FOUND = "FGS.5002"
REQUEST_ID_HEADER = "X-Request-Id"

FlowName = Annotated[str, Meta(min_length=1, max_length=64, pattern=NAME_PATTERN)]
LongName = Annotated[str, Meta(min_length=1, max_length=256, pattern=NAME_PATTERN)]
Text64 = Annotated[str, Meta(max_length=64)]
Text256 = Annotated[str, Meta(max_length=256)]

T = TypeVar("T")


# --- one exchange, whatever carries it -----------------------------------------------------------


class Request(Struct, frozen=True, kw_only=True):
    """A request as it goes to a transport; `path` is percent-encoded and may carry a query."""

    method: str
    path: str
    headers: Mapping[str, str] = {}
    body: bytes = b""
    timeout: float | None = None  # seconds until the answer must be there


class Response(Struct, frozen=True, kw_only=True):
    """An answer as a transport gives it; header names are lower case."""

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Transport(Protocol):
    """Carries a request to a service: over the network, or by a call within the process."""

    async def send(self, request: Request) -> Response:
        """Send `request` once.

        Raises:
            ConnectionFailed: the connection never came up.
            AnswerLost: it was sent, but no whole answer came.
        """

    async def aclose(self) -> None:
        """Give back what the transport holds."""


def workflows_path(project_id: str, workflow_id: str | None = None, action: str | None = None) -> str:
    """Return the path of the workflows of a project, of one of them, or of an action on one."""
    parts = ["", "v2", project_id, "fgs", "workflows", *(part for part in (workflow_id, action) if part)]
    return "/".join(parts)


SYNC_EXECUTIONS = "sync-executions"


# --- a run ---------------------------------------------------------------------------------------


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

    execution_id: str
    status: str
    output: Any = None
    errors: tuple[NodeError, ...] | None = ()
    begin_time: str | None = None
    end_time: str | None = None


class ErrorBody(Struct, frozen=True, kw_only=True):
    """The body of every 4xx and 5xx answer, of the service and of the gateway before it."""

    error_code: str | None = None
    error_msg: str | None = None
    request_id: str | None = None


def execute_body(value: Any, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the body of a synchronous execution."""
    return {"headers": dict(headers), "input": value} if headers else {"input": value}


# --- a workflow ----------------------------------------------------------------------------------


class WorkflowSummary(Struct, frozen=True, kw_only=True):
    """An entry of a list of workflows, and the answer to create and update."""

    id: str
    name: str
    workflow_urn: str = ""
    description: str | None = ""
    created_time: str | None = None
    updated_time: str | None = None
    created_by: str | None = None
    enable_stream_response: bool | None = None


class WorkflowPage(Struct, frozen=True, kw_only=True):
    """A page of the list of workflows; `total` counts all pages."""

    workflows: tuple[WorkflowSummary, ...] = ()
    total: int = 0
    size: int = 0


class WorkflowInfo(Struct, frozen=True, kw_only=True):
    """One workflow with its definition, which stays raw until someone parses it."""

    id: str
    definition: dict[str, Any]
    workflow_urn: str = ""
    created_time: str | None = None
    updated_time: str | None = None
    created_by: str | None = None


class DeleteAnswer(Struct, frozen=True, kw_only=True):
    """The answer to a batch delete: URNs that went, and those that did not with the reason."""

    success: tuple[str, ...] | None = ()
    fail: tuple[dict[str, Any], ...] | None = ()


# --- a definition --------------------------------------------------------------------------------


class FunctionEntry(Struct, frozen=True, kw_only=True):
    """A function the workflow may call: actions refer to `name`, `operation` is its URN."""

    name: Text256
    operation: Text256
    metadata: dict[str, Any] | None = None

    @property
    def urn_name(self) -> str:
        """The function's own name: the name segment of the URN, else `name`."""
        parts = self.operation.split(":")
        # urn:fss:<region>:<project>:function:<package>:<name>:<version>; the official examples also
        # have short forms without "function:<package>" and without the version; a word is a name
        place = 6 if len(parts) >= 7 else 0 if len(parts) == 1 else 4
        return (parts[place] if len(parts) > place else "") or self.name


class FunctionRef(Struct, frozen=True, kw_only=True):
    """Which function an action calls, and the template of its arguments."""

    ref_name: Text256
    arguments: dict[str, Any]
    invoke_mode: Literal["synchronize"] | None = None


class Action(Struct, frozen=True, kw_only=True):
    """One call. ``invoke_mode`` stands here in an official example, in `function_ref` by schema."""

    function_ref: FunctionRef
    invoke_mode: Literal["synchronize"] | None = None


class StateDataFilter(Struct, frozen=True, kw_only=True):
    """JSONPaths over what comes into a state and what leaves it; ``""`` and ``"$"`` mean all."""

    input: Text256 = ""
    output: Text256 = ""


class OnError(Struct, frozen=True, kw_only=True):
    """What follows a failure that matches `error`."""

    error: Text256 = ""
    retry_ref: Text256 = ""
    transition: Text256 = ""


class Retry(Struct, frozen=True, kw_only=True):
    """A retry rule: `delay` in seconds between tries, `max_attempts` after the first call."""

    name: LongName
    delay: Annotated[int, Meta(ge=1, le=30)] = 1
    max_attempts: Annotated[int, Meta(ge=1, le=8)] = 3


class _State(Struct, frozen=True, kw_only=True, tag_field="type"):
    id: Annotated[str, Meta(min_length=1, max_length=64)]
    name: LongName
    end: bool
    transition: Text256
    state_data_filter: StateDataFilter | None = None
    on_errors: Annotated[tuple[OnError, ...], Meta(max_length=200)] | None = ()
    action_mode: Literal["sequential", "parallel", ""] | None = "sequential"

    kind: ClassVar[str]

    @property
    def next(self) -> str | None:
        """The id of the state that follows, or None where the workflow ends; `end` wins."""
        return None if self.end or not self.transition else self.transition


class Operation(_State, frozen=True, kw_only=True, tag="Operation"):
    """Calls functions: one, several in sequence, or several at once."""

    actions: Annotated[tuple[Action, ...], Meta(min_length=1, max_length=10)]
    kind: ClassVar[str] = "Operation"


class Sleep(_State, frozen=True, kw_only=True, tag="Sleep"):
    """Waits `duration` seconds."""

    duration: Annotated[float, Meta(ge=0.001, le=86400)]
    actions: Annotated[tuple[Action, ...], Meta(max_length=0)] | None = ()
    kind: ClassVar[str] = "Sleep"


class End(_State, frozen=True, kw_only=True, tag="End"):
    """Ends the workflow; what comes in is the workflow's output."""

    actions: Annotated[tuple[Action, ...], Meta(max_length=0)] | None = ()
    kind: ClassVar[str] = "End"


State = Operation | Sleep | End
STATE_KINDS = (Operation.kind, Sleep.kind, End.kind)


class Trigger(Struct, frozen=True, kw_only=True):
    """What starts a workflow by itself; plays no role in a synchronous execution."""

    trigger_name: Annotated[str, Meta(min_length=1, max_length=256)]
    trigger_type: Annotated[str, Meta(min_length=1, max_length=32)]
    enabled: bool = True
    trigger_config: dict[str, Any] | None = None


class ExpressConfig(Struct, frozen=True, kw_only=True):
    """Settings of an express workflow."""

    log_level: Literal["ALL", "ERROR", "NONE"] = "NONE"


class WorkflowDefinition(Struct, frozen=True, kw_only=True):
    """A workflow as create, update and show carry it; page 06_1004."""

    name: FlowName
    start: Annotated[str, Meta(min_length=1, max_length=256)]
    functions: Annotated[tuple[FunctionEntry, ...], Meta(max_length=100)]
    states: Annotated[tuple[State, ...], Meta(min_length=1, max_length=100)]
    constants: dict[str, Any]
    retries: Annotated[tuple[Retry, ...], Meta(max_length=200)]
    description: Annotated[str, Meta(max_length=512, pattern=_TEXT_PATTERN)] | None = ""
    triggers: Annotated[tuple[Trigger, ...], Meta(max_length=200)] | None = ()
    mode: Literal["NORMAL", "EXPRESS"] = "NORMAL"
    express_config: ExpressConfig | None = None
    enterprise_project_id: Text64 | None = ""
    enable_stream_response: bool | None = False


# --- parsing -------------------------------------------------------------------------------------

_NAME_RULE = "of letters, digits, _ ( ) . - and Chinese characters only, without spaces"
_PLACE = re.compile(r" - at `(?P<place>.*)`$", re.DOTALL)


def parse(value: Any, kind: type[T]) -> T:
    """Return a JSON value as a typed one.

    Raises:
        ValueError: it does not fit; the text names the JSONPath.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        problem = problem_of(error)
        raise ValueError(f"{problem.message} at {problem.path}") from None


def state_names(definition: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of a raw definition's states by id; what has another form is passed over."""
    states = definition.get("states")
    return {
        state["id"]: state["name"]
        for state in (states if isinstance(states, list) else ())
        if isinstance(state, dict) and isinstance(state.get("id"), str) and isinstance(state.get("name"), str)
    }


def problem_of(error: msgspec.ValidationError) -> Problem:
    """Return what msgspec found as a problem with its JSONPath."""
    text = str(error)
    found = _PLACE.search(text)
    message = text[: found.start() if found else None].replace(f"matching regex {NAME_PATTERN!r}", _NAME_RULE)
    message = message.replace(f"matching regex {_TEXT_PATTERN!r}", _NAME_RULE)
    return Problem(found["place"] if found else "$", message[:1].lower() + message[1:])


def parse_time(text: str | None) -> datetime | None:
    """Read the service's ``yyyy-MM-ddTHH:mm:ssZ``; None where it is missing or unreadable."""
    try:
        time = datetime.fromisoformat(text or "")
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the latter at the ends of the calendar
        return None


def format_time(time: datetime) -> str:
    """Write a UTC time as the service does: ``yyyy-MM-ddTHH:mm:ssZ``."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
