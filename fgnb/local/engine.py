"""Runs a compiled workflow: one state after the other, within one time limit.

The order at one state: previous output, input filter, arguments, functions, output filter, next
state. Where the service's documents are silent, the rule is said where it is implemented.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

from fgnb.errors import did_you_mean
from fgnb.local.definitions import Call, Plan, Step
from fgnb.local.expressions import MISSING, ExpressionError, Query, Scope
from fgnb.local.functions import Context, Function, FunctionFailed, event_of
from fgnb.local.workers import Strand, Walk, Workers
from fgnb.wire import EXPRESS_LIMIT, NodeError, SyncExecution, format_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One execution under way: whose it is, what it was given, which states are running."""

    plan: Plan
    input: Any
    headers: Mapping[str, Any]
    project_id: str
    workflow_id: str
    id: str = field(default_factory=lambda: str(uuid4()))
    running: dict[str, float] = field(default_factory=dict)  # state id -> begin time, epoch seconds


class Engine:
    """Executes plans with a set of functions.

    Args:
        functions: what the workflows may call.
        limit: seconds an execution may take; 300 as in the service. It then ends as ``timeout``,
            whatever its functions do.
    """

    def __init__(self, functions: Mapping[str, Function], *, limit: float = EXPRESS_LIMIT) -> None:
        self.functions = functions
        self.limit = limit
        self._workers = Workers()

    async def execute(self, execution: Execution) -> SyncExecution:
        """Run an execution to its end and return the answer; a failing workflow does not raise."""
        begin = time.time()
        status, output = "success", None
        errors: tuple[NodeError, ...] = ()
        try:
            async with asyncio.timeout(self.limit):
                output = await self._workers.run(lambda strand: self._walk(strand, execution))
        except FunctionFailed as failure:
            status, errors = "fail", _errors(execution, failure.text())
        except TimeoutError:
            # One error per state still running; the service does not say what it puts there.
            status, errors = "timeout", _errors(execution, f"the workflow ran longer than {self.limit:g} s")
        return SyncExecution(
            execution_id=execution.id,
            status=status,
            output=output,
            errors=errors,
            begin_time=_text(begin),
            end_time=_text(time.time()),
        )

    def _walk(self, strand: Strand, execution: Execution) -> Walk:
        """Go from state to state; what fails leaves the failing state in ``execution.running``."""
        data, steps = execution.input, execution.plan.steps
        state: str | None = execution.plan.start
        while state is not None:
            step = steps[state]
            execution.running[state] = time.time()
            try:
                data = yield from self._step(strand, step, data, execution)
            except ExpressionError as error:
                raise FunctionFailed(str(error), "PathFailed") from None
            del execution.running[state]
            state = step.next
        return data

    def _step(self, strand: Strand, step: Step, data: Any, execution: Execution) -> Walk:
        data = _filtered(step.input_filter, data, "input")
        if step.duration:
            yield partial(asyncio.sleep, step.duration)
        if step.parallel:
            # All read the state's input; the outputs stand in the order of the actions.
            data = {"result": (yield partial(self._together, step, data, execution))}
        else:
            # Each reads the output of the one before; the last one's is the state's.
            for call in step.calls:
                data = yield from self._call(strand, call, data, step, execution)
        return _filtered(step.output_filter, data, "output")

    async def _together(self, step: Step, data: Any, execution: Execution) -> list[Any]:
        """Make all calls of a state at once; if some fail, all end before the first failure counts."""

        async def one(call: Call) -> Any:
            try:
                return await self._workers.run(lambda strand: self._call(strand, call, data, step, execution))
            except ExpressionError as error:
                return FunctionFailed(str(error), "PathFailed")
            except FunctionFailed as failure:
                return failure

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(call)) for call in step.calls]
        outcomes = [task.result() for task in tasks]
        for outcome in outcomes:
            if isinstance(outcome, FunctionFailed):
                raise outcome
        return outcomes

    def _call(self, strand: Strand, call: Call, data: Any, step: Step, execution: Execution) -> Walk:
        function = self._find(call)
        if call.arguments is not None:  # else, an empty template: the whole filtered input is the event
            data = call.arguments(Scope(data, execution.input, execution.plan.definition.constants))
        event = event_of(data)
        context = Context(
            function_name=function.name,
            project_id=execution.project_id,
            workflow_id=execution.workflow_id,
            execution_id=execution.id,
            state_id=step.id,
            timeout=function.timeout,
            headers=execution.headers,
        )
        if function.is_async:
            return (yield partial(self._workers.call_async, function, event, context))
        return strand.call(function, event, context)

    def _find(self, call: Call) -> Function:
        for name in call.names:
            if (function := self.functions.get(name)) is not None:
                return function
        name = call.names[0]
        hint = did_you_mean(name, self.functions, form="'{}'")
        raise FunctionFailed(f"function '{name}' is not registered{hint}", "FunctionNotFound")


def _filtered(query: Query | None, data: Any, which: str) -> Any:
    """Apply a filter; a path that leads nowhere fails the state rather than passing null on."""
    if query is None:
        return data
    found = query(data)
    if found is MISSING:
        raise FunctionFailed(f"the {which} filter selects nothing", "FilterFailed")
    return found


def _errors(execution: Execution, message: str) -> tuple[NodeError, ...]:
    """Return an error for each state still running; for the first, if none has begun."""
    end = time.time()
    running = execution.running or {execution.plan.start: end}
    return tuple(
        NodeError(node_id=state, error_message=message, begin_time=_text(begin), end_time=_text(end))
        for state, begin in running.items()
    )


def _text(moment: float) -> str:
    return format_time(datetime.fromtimestamp(moment, UTC))
