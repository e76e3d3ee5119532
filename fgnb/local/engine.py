"""Runs a compiled workflow: one state after the other, within one time limit.

The order at one state: previous output, input filter, arguments, functions, output filter, next
state. Where the service's documents are silent, the rule is said where it is implemented.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from fgnb.errors import did_you_mean
from fgnb.local.definitions import Call, Plan, Step
from fgnb.local.expressions import MISSING, ExpressionError, Query, Scope
from fgnb.local.functions import Context, Function, FunctionFailed
from fgnb.local.workers import Workers
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
    running: dict[str, str] = field(default_factory=dict)  # state id -> begin time


class _StateFailed(Exception):
    def __init__(self, error: NodeError) -> None:
        self.error = error


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
        begin = _now()
        status, output = "success", None
        errors: tuple[NodeError, ...] = ()
        try:
            async with asyncio.timeout(self.limit):
                output = await self._walk(execution)
        except _StateFailed as failed:
            status, errors = "fail", (failed.error,)
        except TimeoutError:
            status, errors = "timeout", self._timed_out(execution)
        return SyncExecution(
            execution_id=execution.id, status=status, output=output, errors=errors, begin_time=begin, end_time=_now()
        )

    def _timed_out(self, execution: Execution) -> tuple[NodeError, ...]:
        # One error per state still running; the service does not say what it puts there.
        end, message = _now(), f"the workflow ran longer than {self.limit:g} s"
        return tuple(
            NodeError(node_id=state, error_message=message, begin_time=begin, end_time=end)
            for state, begin in execution.running.items()
        )

    async def _walk(self, execution: Execution) -> Any:
        data = execution.input
        state: str | None = execution.plan.start
        while state is not None:
            step = execution.plan.steps[state]
            begin = execution.running[state] = _now()
            try:
                data = await self._step(step, data, execution)
            except (FunctionFailed, ExpressionError) as raised:
                failure = raised if isinstance(raised, FunctionFailed) else FunctionFailed(str(raised), "PathFailed")
                error = NodeError(node_id=state, error_message=failure.text(), begin_time=begin, end_time=_now())
                raise _StateFailed(error) from None
            del execution.running[state]
            state = step.next
        return data

    async def _step(self, step: Step, data: Any, execution: Execution) -> Any:
        data = _filtered(step.input_filter, data, "input")
        if step.duration:
            await asyncio.sleep(step.duration)
        if step.parallel:
            # All read the state's input; the outputs stand in the order of the actions.
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._guarded(call, data, step, execution)) for call in step.calls]
            outcomes = [task.result() for task in tasks]
            for outcome in outcomes:
                if isinstance(outcome, Exception):
                    raise outcome
            data = {"result": outcomes}
        else:
            # Each reads the output of the one before; the last one's is the state's.
            for call in step.calls:
                data = await self._call(call, data, step, execution)
        return _filtered(step.output_filter, data, "output")

    async def _guarded(self, call: Call, data: Any, step: Step, execution: Execution) -> Any:
        # A failure is handed back as a value: all actions end before the state fails, by the first.
        try:
            return await self._call(call, data, step, execution)
        except (FunctionFailed, ExpressionError) as failure:
            return failure

    async def _call(self, call: Call, data: Any, step: Step, execution: Execution) -> Any:
        function = self._find(call)
        if call.arguments is None:  # an empty template: the whole filtered input is the event
            arguments = data
        else:
            scope = Scope(data, execution.input, execution.plan.definition.constants)
            arguments = call.arguments(scope)
        context = Context(
            function_name=function.name,
            request_id=str(uuid4()),
            project_id=execution.project_id,
            workflow_id=execution.workflow_id,
            execution_id=execution.id,
            state_id=step.id,
            timeout=function.timeout,
            headers=execution.headers,
        )
        return await self._workers.call(function, arguments, context)

    def _find(self, call: Call) -> Function:
        for name in call.names:
            if name in self.functions:
                return self.functions[name]
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


def _now() -> str:
    return format_time(datetime.now(UTC))
