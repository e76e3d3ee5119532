"""Runs a compiled workflow: one state after the other, within one time limit.

The order at one state: previous output, input filter, arguments, functions, output filter, next
state. Where the service's documents are silent, `fgnb.local.options` says what holds.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from time import monotonic
from typing import Any

from fgnb.errors import did_you_mean
from fgnb.local.context import Context
from fgnb.local.dataflow import (
    ResultRefused,
    check_result,
    filtered,
    handler_of,
    items_of,
    left_over,
    merged,
    with_value,
)
from fgnb.local.execution import Clock, Ended, Execution, Track
from fgnb.local.expressions import ExpressionError
from fgnb.local.functions import Function, FunctionFailed, Isolation, event_of
from fgnb.local.graph import QUOTED
from fgnb.local.limits import within
from fgnb.local.options import DEFAULTS, Options
from fgnb.local.plan import Call, Calls, Choice, Fork, Loop, Pause, Plan, Step, Sub
from fgnb.local.processes import Processes
from fgnb.local.together import StatesFailed, follow_all, follow_paced, follow_until
from fgnb.local.workers import BREATH, TO_THREAD, Abandoned, AsyncCall, Strand, Walk, Workers
from fgnb.wire import EXPRESS_LIMIT


class Engine:
    """Executes plans with a set of functions.

    Args:
        functions: what the workflows may call.
        limit: seconds an execution may take; 300 as in the service. It then ends as ``timeout``,
            whatever its functions do.
        options: how open points of the documents are decided.
        clock: what waits are made of; the limits of executions and functions are always real.
        find_workflow: gives the id and the plan of a workflow that runs as a sub-flow.
        launch: starts an execution that nobody waits for.
        isolation: where functions run that do not say themselves: on threads, or in processes.
    """

    def __init__(
        self,
        functions: Mapping[str, Function],
        *,
        limit: float = EXPRESS_LIMIT,
        options: Options = DEFAULTS,
        clock: Clock = Clock(),  # noqa: B008  # it is frozen
        find_workflow: Callable[[str], tuple[str, Plan] | None] = lambda name: None,
        launch: Callable[[Execution], None] = lambda execution: None,
        isolation: Isolation = "thread",
    ) -> None:
        self.functions = functions
        self.limit = limit
        self.options = options
        self._clock = clock
        self._find_workflow = find_workflow
        self._launch = launch
        self._isolation = isolation
        self._workers = Workers()
        self._processes = Processes()

    async def run(self, execution: Execution) -> Ended:
        """Run an execution to its end; a failing workflow does not raise."""
        begin = self._clock.time()
        if execution.merge is None:
            execution.merge = self.options.merge_parameters
        if execution.visits is None and self.options.handled_errors:
            execution.visits = []
        try:
            limit = None if execution.unlimited or execution.covered else self.limit
            started = monotonic()
            output = await within(limit, self._whole(execution))
            if limit is not None and monotonic() - started > limit:  # nothing could be seen to it in time
                raise TimeoutError
        except StatesFailed as failed:
            return Ended(status="fail", begin=begin, end=self._clock.time(), failed=failed.visits)
        except TimeoutError:
            end = self._clock.time()
            failure = FunctionFailed(f"the workflow ran longer than {self.limit:g} s", "WorkflowTimeout").failure
            still = sorted(execution.running, key=lambda visit: (visit.begin, len(visit.place)))
            for visit in still:
                visit.end, visit.failure, visit.status = end, failure, 504
            by_state = {visit.step.id: visit for visit in reversed(still)}
            return Ended(status="timeout", begin=begin, end=end, failed=tuple(reversed(by_state.values())))
        return Ended(status="success", begin=begin, end=self._clock.time(), output=output)

    async def _whole(self, execution: Execution) -> Any:
        track = Track(execution, execution.plan.chain, execution.input)
        output = await self._follow(track)
        if self.options.output == "object" and not isinstance(output, dict) and track.visit is not None:
            failure = FunctionFailed(f"the output is not an object but a {type(output).__name__}", "OutputNotObject")
            track.visit.failure = failure.failure
            raise StatesFailed(failure, (track.visit,))
        return output

    # --- one way through a chain of states ---

    async def _follow(self, track: Track) -> Any:
        """Follow a way to its end; what fails is retried or caught here.

        Raises:
            StatesFailed: a state failed, and nothing handles that.
        """
        while True:
            try:
                return await self._workers.run(lambda strand: self._walk(strand, track))
            except FunctionFailed as failure:
                await self._recover(track, failure)

    def _walk(self, strand: Strand, track: Track) -> Walk:
        """Go from state to state; `track` tells where, if a state fails or its thread is left behind."""
        execution, now = track.execution, self._clock.time
        running = execution.running
        apart = self.options.sequential_input == "state"
        while True:
            step, data = track.step, track.data
            if strand.on_loop and step.heavy:
                yield TO_THREAD
            visit = track.begin(now())
            try:
                if step.input_filter is not None:
                    data = filtered(step.input_filter, data, "input")
                work, following = step.work, step.next
                if isinstance(work, Calls):
                    given = data
                    for call in work.calls:
                        function = self._find(call)
                        event = self._event(call, given if apart else data, execution)
                        context = self._context(function, step, execution)
                        if (function.isolation or self._isolation) == "process":
                            data = yield partial(self._processes.call, function, event, context)
                        elif function.is_async:
                            data = yield AsyncCall(function, event, context)
                        else:
                            if strand.on_loop:
                                yield TO_THREAD
                            data = strand.call(function, event, context)
                elif isinstance(work, Choice):
                    following = self._choose(work, data, execution)
                elif isinstance(work, Loop):
                    data = yield partial(self._loop, work, data, items_of(work, data), track)
                elif work is not None:
                    data = yield partial(self._do, work, data, track)
                if strand.on_loop and step.heavy:
                    yield TO_THREAD
                if step.handlers:
                    check_result(step, data, execution)
                if step.output_filter is not None:
                    data = filtered(step.output_filter, data, "output")
            except ExpressionError as error:
                raise FunctionFailed(str(error), "PathFailed") from None
            if strand.over:
                raise Abandoned
            visit.output, visit.end = data, now()
            running.discard(visit)
            if following is None:
                return data
            if execution.merge:
                data = merged(track.data, data)
            track.go(following, data)

    async def _recover(self, track: Track, failure: FunctionFailed) -> None:
        """Retry the state that failed, or go where its ``on_errors`` point, by setting `track`."""
        now, execution = self._clock.time(), track.execution
        visit = track.visit or track.begin(now)  # it may be refused before it begins
        visit.end, visit.failure, visit.status = now, failure.failure, failure.status
        visit.output = failure.result if isinstance(failure, ResultRefused) else None
        execution.give_up_below(visit, now)
        failed = StatesFailed(failure, failure.visits if isinstance(failure, StatesFailed) else (visit,))
        try:
            handler = None
            if track.step.handlers:
                handler = await self._workers.do(lambda: handler_of(track.step, failure, execution))
            retry = handler.retry if handler is not None else None
            if retry is not None and track.retries < retry.max_attempts - (self.options.max_attempts == "calls"):
                failed.note_handled()
                waiting = track.again(now)
                execution.running.discard(visit)
                await self._clock.sleep(retry.delay)
                execution.running.discard(waiting)
            elif handler is not None and handler.target is not None:
                data = await self._workers.do(lambda: left_over(track.step, failure))
                track.go(handler.target, merged(track.data, data) if execution.merge else data)
                failed.note_handled()
                execution.running.discard(visit)
            else:
                raise failed
        except (ExpressionError, FunctionFailed) as error:
            execution.running.discard(visit)
            if error is failed:
                raise
            broken = error if isinstance(error, FunctionFailed) else FunctionFailed(str(error), "PathFailed")
            visit.failure, visit.status = broken.failure, broken.status
            raise StatesFailed(broken, (visit,)) from None

    # --- what a state does ---

    def _find(self, call: Call) -> Function:
        for name in call.names:
            if (function := self.functions.get(name)) is not None:
                return function
        name = call.names[0]
        hint = did_you_mean(name, self.functions, form=QUOTED)
        raise FunctionFailed(f"function '{name}' is not registered{hint}", "FunctionNotFound", status=404)

    def _event(self, call: Call, data: Any, execution: Execution) -> Any:
        if call.arguments is not None:  # else, an empty template: the whole filtered input is the event
            data = call.arguments(data, execution.input, execution.plan.definition.constants)
        return event_of(data)

    def _context(self, function: Function, step: Step, execution: Execution) -> Context:
        return Context(
            function_name=function.name,
            project_id=execution.project_id,
            workflow_id=execution.workflow_id,
            execution_id=execution.id,
            state_id=step.id,
            timeout=function.timeout,
            headers=dict(execution.headers) if self.options.headers == "context" else {},
            user_data=dict(function.user_data),
        )

    def _choose(self, work: Choice, data: Any, execution: Execution) -> str | None:
        constants = execution.plan.definition.constants
        for condition, target in work.cases:
            if condition(data, constants):
                return target
        if work.default is None and self.options.switch_no_match == "fail":
            raise FunctionFailed("no condition is true, and there is no default", "NoMatch")
        return work.default

    async def _do(self, work: Pause | Fork | Sub, data: Any, track: Track) -> Any:
        """Do what has to be waited for."""
        await _breathe(track.execution)
        if isinstance(work, Pause):
            await self._clock.sleep(work.seconds)
            return data
        if isinstance(work, Fork):
            return await self._fork(work, data, track)
        return await self._sub_flow(work, track.execution, data)

    async def _fork(self, work: Fork, data: Any, track: Track) -> Any:
        tracks = [track.inner(chain, data, number) for number, chain in enumerate(work.chains)]
        if work.needed == len(tracks):
            results = await follow_all(len(tracks), partial(self._serve, tracks.__getitem__))
        else:
            results = await follow_until(len(tracks), lambda at: self._follow(tracks[at]), needed=work.needed)
            assert track.visit is not None  # noqa: S101
            track.execution.give_up_below(track.visit, self._clock.time())
        value = results if work.names is None else dict(zip(work.names, results, strict=True))
        return value if work.key is None else {work.key: value}

    async def _loop(self, work: Loop, data: Any, items: list[Any], track: Track) -> Any:
        await _breathe(track.execution)

        def iteration(number: int) -> Track:
            return track.inner(work.chain, with_value(data, work.param, items[number]), number)

        if work.interval:
            results = await follow_paced(
                len(items),
                lambda number: self._follow(iteration(number)),
                width=work.width,
                interval=work.interval,
                after_end=self.options.interval == "ends",
                sleep=self._clock.sleep,
            )
        else:
            results = await follow_all(len(items), partial(self._serve, iteration), width=work.width)
        return with_value(None, work.output, results)

    async def _serve(self, make: Callable[[int], Track], waiting: deque[int], results: list[Any]) -> None:
        """Follow ways as long as some wait, one after the other on one thread as far as nothing fails."""
        current: list[tuple[int, Track]] = []
        while waiting:
            try:
                await self._workers.run(lambda strand: self._walk_on(strand, make, waiting, results, current))
            except FunctionFailed as failure:
                if not current:  # it was refused before it began
                    raise
                number, track = current.pop()
                await self._recover(track, failure)
                results[number] = await self._follow(track)

    def _walk_on(
        self,
        strand: Strand,
        make: Callable[[int], Track],
        waiting: deque[int],
        results: list[Any],
        current: list[tuple[int, Track]],
    ) -> Walk:
        while True:
            try:
                number = waiting.popleft()
            except IndexError:  # not asked for before: another thread may take the last
                return
            track = make(number)
            current[:] = [(number, track)]
            results[number] = yield from self._walk(strand, track)

    async def _sub_flow(self, work: Sub, execution: Execution, data: Any) -> Any:
        found = self._find_workflow(work.workflow)
        if found is None:
            raise FunctionFailed(f"there is no workflow '{work.workflow}'", "WorkflowNotFound", status=404)
        workflow_id, plan = found
        name = plan.definition.name
        if plan.definition.mode != "EXPRESS":
            raise FunctionFailed(f"workflow '{name}' is NORMAL: only EXPRESS workflows are sub-flows", "NotExpress")
        if execution.depth >= self.options.max_depth:
            raise FunctionFailed(f"sub-flows may be {self.options.max_depth} levels deep", "TooDeep")
        child = Execution(
            plan=plan,
            input=data,
            headers=execution.headers,
            project_id=execution.project_id,
            workflow_id=workflow_id,
            depth=execution.depth + 1,
            merge=execution.merge,
        )
        if not work.wait:
            self._launch(child)
            return {"execution_id": child.id}  # what an asynchronous start answers
        child.covered = execution.covered or not execution.unlimited
        child.rested = execution.rested
        ended = await self.run(child)
        if ended.status == "success":
            return ended.output
        inner = ended.failed[0]
        failure = inner.failure or {}
        raise FunctionFailed(
            f"workflow '{name}' failed at node '{inner.step.id}': {failure.get('errorMessage')}",
            failure.get("errorType", "SubFlowFailed"),
            failure.get("stackTrace"),
            status=inner.status,
        )


async def _breathe(execution: Execution) -> None:
    """Let the event loop have its turn, which an execution of many quick parts might never give it."""
    if monotonic() - execution.rested[0] > BREATH:
        await asyncio.sleep(0)
        execution.rested[0] = monotonic()
