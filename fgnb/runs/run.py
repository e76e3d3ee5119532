"""One run of a workflow, as a value: what was sent, what became of it, and when."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fgnb import errors, wiring
from fgnb.client.outcome import Outcome
from fgnb.client.refusal import kind_of
from fgnb.counted import counted
from fgnb.errors import RunError, ServiceError
from fgnb.runs.redact import masked_text
from fgnb.wire import NodeError as WireNodeError
from fgnb.wire import parse_time
from fgnb.wiring import Shown

if TYPE_CHECKING:
    import pandas as pd

    from fgnb.deployment import Workflow
    from fgnb.render.graph import Graph

MAX_TEXT = 300  # characters of a reason or a message in an exception
STATUSES = ("success", "fail", "timeout", "rejected", "unsent", "unknown", "cancelled")


def in_order(counts: Mapping[str, int]) -> dict[str, int]:
    """Return counts by status in the order of `STATUSES`, whatever came first; others at the end.

    >>> in_order({"paused": 1, "timeout": 2, "success": 3})
    {'success': 3, 'timeout': 2, 'paused': 1}
    """
    places = {status: place for place, status in enumerate(STATUSES)}
    return dict(sorted(counts.items(), key=lambda entry: places.get(entry[0], len(places))))


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeError:
    """Why a node failed.

    `error_message` is the readable message: where the service sent the function runtime's failure
    object, it is that object's ``errorMessage``, and `error_type` and `stack_trace` (innermost call
    last) are its other members. The times are the service's, of one-second precision.

    >>> import fgnb
    >>> run = fgnb.connect("local").run("order-triage", {"sku": "A-100", "qty": 999}, check=False)
    >>> run.node_errors[0].node, run.node_errors[0].error_type
    ('Reserve-stock (stock)', 'OutOfStock')
    """

    node_id: str
    error_message: str
    node_name: str | None = None
    error_type: str | None = None
    stack_trace: str | None = None
    begin_time: datetime | None = None
    end_time: datetime | None = None

    @property
    def node(self) -> str:
        """The node for a reader: its name and its id."""
        return f"{self.node_name} ({self.node_id})" if self.node_name else self.node_id

    @classmethod
    def of(cls, sent: WireNodeError, names: Mapping[str, str]) -> NodeError:
        """Read an entry of the service's ``errors``; `names` gives node names by id."""
        failure = _failure_object(sent.error_message)
        stack = failure.get("stackTrace")
        lines = [line for line in stack if isinstance(line, str)] if isinstance(stack, list) else []
        return cls(
            node_id=sent.node_id,
            node_name=names.get(sent.node_id),
            error_message=_text(failure, "errorMessage") or sent.error_message,
            error_type=_text(failure, "errorType"),
            stack_trace="\n".join(lines) or None,
            begin_time=parse_time(sent.begin_time),
            end_time=parse_time(sent.end_time),
        )


def _failure_object(message: str) -> Mapping[str, Any]:
    if message.lstrip().startswith("{"):
        try:
            value = json.loads(message)
        except (ValueError, RecursionError):
            return {}
        if isinstance(value, dict) and "errorMessage" in value:
            return value
    return {}


def _text(failure: Mapping[str, Any], key: str) -> str | None:
    value = failure.get(key)
    return value if isinstance(value, str) and value else None


_ids = random.Random()  # noqa: S311  # our own: a notebook that calls random.seed would repeat ids
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ids.seed)


def new_run_id() -> str:
    """Return an id that no other run has and that sorts by the time of submission."""
    return f"{time.time_ns() // 1_000_000:012x}-{_ids.getrandbits(48):012x}"


@dataclass(frozen=True, kw_only=True, repr=False)
class Run(Shown):
    """One run of a workflow; a frozen value.

    Attributes:
        run_id: fgnb's own id, sorts by time.
        workflow: the workflow as it was named.
        workflow_id: its id, or None if it was never found out.
        execution_id: the service's id, if the service gave one.
        request_id: what the service's support asks for.
        status: ``success``, ``fail``, ``timeout`` (the service's), or ``rejected``, ``unsent``,
            ``unknown``, ``cancelled`` (ours); one that we don't know is kept as it is.
        input: the JSON value that was sent.
        headers: what was handed to the workflow's functions besides.
        output: the workflow's result; None unless `status` is ``success``.
        node_errors: which nodes failed and why.
        begin_time, end_time: the service's own, UTC, of one-second precision.
        submitted_at: when it was handed to fgnb, UTC.
        elapsed: seconds from then to the answer, measured here.
        tags: what the user called it.
        connection: which service ran it.
        reason: why there is no answer of the workflow's own, in words.
        hint: what to do about it.
        http_status, error_code: of an answer other than a result, e.g. 429 and ``APIGW.0308``.
        raw: the service's answer as it came: a JSON value, or bytes if it is not JSON, as with a
            workflow that streams its result.

    >>> import fgnb
    >>> run = fgnb.connect("local").run("order-triage", {"sku": "A-100", "qty": 3}, tags={"try": 1})
    >>> run.status, run.output["total"], run.node_errors
    ('success', 149.7, ())
    >>> run.frame[["status", "input.qty", "output.total", "tags.try"]].to_dict("records")
    [{'status': 'success', 'input.qty': 3, 'output.total': 149.7, 'tags.try': 1}]
    """

    run_id: str = field(default_factory=new_run_id)
    workflow: str
    workflow_id: str | None = None
    execution_id: str | None = None
    request_id: str | None = None
    status: str
    input: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    output: Any = None
    node_errors: tuple[NodeError, ...] = ()
    begin_time: datetime | None = None
    end_time: datetime | None = None
    submitted_at: datetime
    elapsed: float
    tags: Mapping[str, Any] = field(default_factory=dict)
    connection: str = ""
    reason: str | None = None
    hint: str | None = None
    http_status: int | None = None
    error_code: str | None = None
    raw: Any = None

    __hash__ = None  # type: ignore[assignment]  # inputs and outputs are not hashable

    @classmethod
    def of(
        cls,
        outcome: Outcome,
        *,
        workflow: str,
        input: Any,
        headers: Mapping[str, str] | None = None,
        tags: Mapping[str, Any] | None = None,
        connection: str = "",
        run_id: str | None = None,
    ) -> Run:
        """Make a run of what was sent and what became of it."""
        execution = outcome.execution
        errors = execution.errors if execution is not None else None
        run = object.__new__(cls)  # many are made, and a frozen dataclass sets its fields one by one
        run.__dict__.update(
            run_id=run_id or new_run_id(),
            workflow=workflow,
            workflow_id=outcome.workflow_id,
            execution_id=execution.execution_id if execution is not None else None,
            request_id=outcome.request_id,
            status=outcome.status,
            input=input,
            headers=dict(headers) if headers else {},
            output=execution.output if execution is not None and execution.status == "success" else None,
            node_errors=tuple(NodeError.of(error, outcome.node_names) for error in errors) if errors else (),
            begin_time=parse_time(execution.begin_time) if execution is not None else None,
            end_time=parse_time(execution.end_time) if execution is not None else None,
            submitted_at=outcome.submitted_at,
            elapsed=outcome.elapsed,
            tags=dict(tags) if tags else {},
            connection=connection,
            reason=outcome.reason,
            hint=outcome.hint,
            http_status=outcome.http_status,
            error_code=outcome.error_code,
            raw=outcome.raw,
        )
        return run

    @property
    def ok(self) -> bool:
        """Whether the workflow ran to its end without a failure."""
        return self.status == "success"

    @cached_property
    def _set(self) -> Any:
        from fgnb.runs.runset import RunSet

        return RunSet([self])

    @property
    def frame(self) -> pd.DataFrame:
        """The run as one row of the runs frame; see `RunSet.frame`."""
        frame: pd.DataFrame = self._set.frame
        return frame

    @property
    def errors(self) -> pd.DataFrame:
        """One row per node error; see `RunSet.errors`."""
        frame: pd.DataFrame = self._set.errors
        return frame

    def graph(self, definition: Mapping[str, Any] | Workflow | None = None) -> Graph:
        """Return the workflow drawn, with the nodes that failed; see `fgnb.Graph`.

        Where the embedded service of this process ran it and still knows what happened, with the way
        that it took, and the time at each node.

        Args:
            definition: the workflow's, or the workflow; by default as the connected service holds it now.

        Raises:
            InputError: the definition can't be had.
        """
        if definition is None:
            definition = wiring.call("definition of", self)
        graph: Graph = wiring.call("graph of run", definition, self, wiring.call("trace of", self) or ())
        return graph

    def raise_for_status(self) -> Run:
        """Return the run if it succeeded.

        Raises:
            RunError: of the class that belongs to the status, carrying the run; where the service
                refused it, of the class of the reason as well (`fgnb.RateLimited`, ...).
        """
        if self.ok:
            return self
        kind = _ERRORS.get(self.status, errors.OutcomeUnknown)
        reason = self._reason_kind()
        if reason is None:
            raise kind(describe_failure(self), self)
        hint = None if self.status == "rejected" else _NEXT_STEP.get(self.status, _MAY_RUN)
        raise errors.refused(kind, reason, describe_failure(self), self, hint)

    def _reason_kind(self) -> type[ServiceError] | None:
        if self.status == "unsent" and self.http_status is None:
            return errors.ConnectionFailed
        if self.status == "unknown" and (self.http_status is None or self.http_status < 300):
            return errors.AnswerLost
        if self.status in ("rejected", "unknown") and self.http_status is not None:
            return kind_of(self.http_status, self.error_code, self.reason)
        return None

    def __repr__(self) -> str:
        return f"<Run {self.run_id} of {self.workflow}: {self.status}, {self.elapsed:.3g} s>"


_ERRORS: dict[str, type[RunError]] = {
    "fail": errors.WorkflowFailed,
    "timeout": errors.WorkflowTimedOut,
    "rejected": errors.RequestRejected,
    "unsent": errors.NotSent,
    "cancelled": errors.RunCancelled,
}

_NEXT_STEP = {
    "fail": "The run is complete in the exception's .run: see .run.errors",
    "timeout": "An express workflow has a time limit: make the slow node faster, or split the work",
    "rejected": "Nothing ran: mend the request and send it again",
    "unsent": "Nothing ran: check the endpoint and send it again",
    "cancelled": "Nothing ran",
}
_MAY_RUN = "The service may still be running it, and keeps no record: check its effects before you send it again"


def describe_failure(run: Run) -> str:
    """Return what happened, at which node, the request id and the next step, in a few lines."""
    lines = [f"{run.workflow}: {run.status}" + (f": {_in_one_line(run.reason)}" if run.reason else "")]
    for error in run.node_errors[:3]:
        kind = f"{error.error_type}: " if error.error_type else ""
        lines.append(f"  node {error.node}: {kind}{_in_one_line(error.error_message)}")
    if len(run.node_errors) > 3:
        lines.append(f"  … and {counted(len(run.node_errors) - 3, 'more node')}")
    ids = {"execution": run.execution_id, "request": run.request_id}
    known = ", ".join(f"{name} {value}" for name, value in ids.items() if value)
    if known:
        lines.append(f"  {known}")
    if run.hint:
        lines += run.hint.splitlines()
    if not (run.hint and run.status == "rejected"):  # a rejection's hint says what to do next
        lines.append(_NEXT_STEP.get(run.status, _MAY_RUN))
    return "\n".join(lines)


def _in_one_line(text: str) -> str:
    text = " ".join(masked_text(text).split())
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
