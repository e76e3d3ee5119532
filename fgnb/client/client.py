"""Calls of the workflow service, sync and async; a workflow is named by its id or its name."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from fgnb import jsontext
from fgnb.background import GRACE, BackgroundLoop, wait
from fgnb.client.outcome import Attempt, Outcome, error_body
from fgnb.errors import AnswerLost, ConnectionFailed, FgnbError, ServiceError, WorkflowNotFound
from fgnb.wire import (
    NOT_FOUND,
    PAGE_SIZE,
    REQUEST_ID_HEADER,
    SYNC_EXECUTIONS,
    DeleteAnswer,
    Request,
    Response,
    Transport,
    WorkflowInfo,
    WorkflowPage,
    WorkflowSummary,
    execute_body,
    parse,
    state_names,
    workflows_path,
)

DEFAULT_TIMEOUT = 310.0  # seconds: an express run may take 300
LIST_TIMEOUT = 60.0
GIVEN_UP = "given up by the user before the answer came"
TICK = 0.2  # seconds between two wake-ups of a waiting event loop, so that it sees an interrupt
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

T = TypeVar("T")


class Interrupted(KeyboardInterrupt):
    """The user interrupted an execution; `outcome` is what is known of it."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(outcome.reason)


class AsyncClient:
    """Calls one project of one service; all calls belong on one event loop.

    Args:
        transport: the way to the service.
        project_id: the project's id.
        timeout: seconds to wait for the answer to an execution.
    """

    def __init__(self, transport: Transport, *, project_id: str, timeout: float = DEFAULT_TIMEOUT) -> None:
        self.transport = transport
        self.project_id = project_id
        self.timeout = timeout
        self._ids: dict[str, str] = {}  # name -> id, as listed last
        self._names: dict[str, Mapping[str, str]] = {}  # id -> names of its nodes

    async def execute(
        self,
        workflow: str,
        input: Any,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        attempt: Attempt | None = None,
    ) -> Outcome:
        """Execute a workflow and wait for its result (page 06_1016). Nothing is sent twice.

        Args:
            workflow: id or name.
            input: a JSON value, as `fgnb.values.to_json` gives it.
            headers: handed to the workflow's functions.
            timeout: seconds to wait for the answer; the client's own by default.
            attempt: kept up to date for a caller that may have to give up.

        Raises:
            WorkflowNotFound: no workflow has this id or name.
            InputError: the body is nested too deeply.
        """
        attempt = attempt or Attempt()
        body = jsontext.dumps(execute_body(input, headers))
        try:
            attempt.workflow_id = await self.workflow_id(workflow)
            outcome = await self._execute_once(attempt, body, timeout)
            if outcome.error_code == NOT_FOUND and attempt.workflow_id != workflow:
                # The name may have moved to another id since it was looked up; a 404 ran nothing.
                attempt.sent = False
                known, attempt.workflow_id = attempt.workflow_id, await self._look_up(workflow)
                if attempt.workflow_id != known:
                    outcome = await self._execute_once(attempt, body, timeout)
        except (ConnectionFailed, AnswerLost) as error:
            # Of a look-up, since _execute_once ends its own: the execution was not sent.
            return attempt.not_sent(error.message)
        except ServiceError as error:
            return attempt.refused(error.message, status=error.status, code=error.code, request_id=error.request_id)
        attempt.outcome = outcome
        if outcome.execution is not None and outcome.execution.errors:
            return replace(outcome, node_names=await self._node_names(attempt.workflow_id))
        return outcome

    async def _execute_once(self, attempt: Attempt, body: bytes, timeout: float | None) -> Outcome:
        path = workflows_path(self.project_id, quote(attempt.workflow_id or "", safe=""), SYNC_EXECUTIONS)
        timeout = self.timeout if timeout is None else timeout
        attempt.sent = True
        try:
            response = await self._send("POST", path, body, timeout)
        except ConnectionFailed as error:
            attempt.sent = False
            return attempt.not_sent(error.message)
        except AnswerLost as error:
            return attempt.lost(error.message)
        return attempt.answered(response)

    async def _node_names(self, workflow_id: str) -> Mapping[str, str]:
        """Return the names of a workflow's nodes by id; empty if they can't be had."""
        if workflow_id not in self._names:
            try:
                info = await self.show(workflow_id)
            except FgnbError:
                return {}
            self._names[workflow_id] = state_names(info.definition)
        return self._names[workflow_id]

    async def workflow_id(self, workflow: str) -> str:
        """Return the id of a workflow; a name is looked up once and remembered.

        Raises:
            WorkflowNotFound: no workflow has this name.
            ServiceError: the list could not be had.
        """
        if _UUID.fullmatch(workflow):
            return workflow
        return self._ids.get(workflow) or await self._look_up(workflow)

    async def _look_up(self, workflow: str) -> str:
        listed = await self.list()
        ids = {summary.id for summary in listed}
        if workflow in self._ids:
            return self._ids[workflow]
        if workflow in ids:
            return workflow
        raise WorkflowNotFound(workflow, list(self._ids))

    async def list(self) -> tuple[WorkflowSummary, ...]:
        """Return all workflows of the project, whatever the number of pages (page 06_1003)."""
        found: list[WorkflowSummary] = []
        while True:
            query = urlencode({"limit": PAGE_SIZE, "offset": len(found)})
            page = await self._call("GET", f"{workflows_path(self.project_id)}?{query}", WorkflowPage)
            found.extend(page.workflows)
            if not page.workflows or len(found) >= page.total:
                break
        self._ids = {summary.name: summary.id for summary in found}
        return tuple(found)

    async def show(self, workflow: str) -> WorkflowInfo:
        """Return a workflow with its definition (page 06_1007)."""
        workflow_id = await self.workflow_id(workflow)
        try:
            return await self._show(workflow_id)
        except ServiceError as error:
            if error.code != NOT_FOUND:
                raise
        # The name may have moved to another id since it was looked up; if it did not, it is gone.
        if (moved := await self._look_up(workflow)) != workflow_id:
            return await self._show(moved)
        raise WorkflowNotFound(workflow, list(self._ids))

    async def _show(self, workflow_id: str) -> WorkflowInfo:
        path = workflows_path(self.project_id, quote(workflow_id, safe=""))
        return await self._call("GET", path, WorkflowInfo)

    async def create(self, definition: Mapping[str, Any]) -> WorkflowSummary:
        """Create a workflow (page 06_1004)."""
        summary = await self._call("POST", workflows_path(self.project_id), WorkflowSummary, definition)
        self._ids[summary.name] = summary.id
        return summary

    async def update(self, workflow_id: str, definition: Mapping[str, Any]) -> WorkflowSummary:
        """Replace a workflow's definition (page 06_1008)."""
        path = workflows_path(self.project_id, quote(workflow_id, safe=""))
        summary = await self._call("PUT", path, WorkflowSummary, definition)
        self._names.pop(workflow_id, None)
        self._ids = {name: known for name, known in self._ids.items() if known != workflow_id}
        self._ids[summary.name] = summary.id
        return summary

    async def delete(self, urns: Sequence[str]) -> DeleteAnswer:
        """Delete workflows by URN (page 06_1002); the answer says which are gone."""
        self._ids.clear()
        return await self._call("DELETE", workflows_path(self.project_id), DeleteAnswer, {"workflow_urns": list(urns)})

    async def aclose(self) -> None:
        """Close the transport."""
        await self.transport.aclose()

    async def _send(self, method: str, path: str, body: bytes, timeout: float) -> Response:
        headers = {"content-type": "application/json"}
        request = Request(method=method, path=path, headers=headers, body=body, timeout=timeout)
        return await self.transport.send(request)

    async def _call(self, method: str, path: str, kind: type[T], value: Any = None) -> T:
        body = b"" if value is None else jsontext.dumps(value)
        response = await self._send(method, path, body, LIST_TIMEOUT)
        try:
            raw = jsontext.loads_answer(response.body)
        except ValueError:
            raw = None
        request_id = response.headers.get(REQUEST_ID_HEADER.lower())
        if response.status not in (200, 201):
            error = error_body(raw)
            raise ServiceError(
                error.error_msg or f"HTTP status {response.status} without a reason",
                status=response.status,
                code=error.error_code,
                request_id=request_id or error.request_id,
            )
        try:
            return parse(raw, kind)
        except ValueError as error:
            reason = str(error) if raw is not None else "it is not JSON"
            raise AnswerLost(
                f"the answer can't be read: {reason}", status=response.status, request_id=request_id
            ) from None


class Submission:
    """An execution under way on a background loop; `future` gives its outcome."""

    def __init__(self, loop: BackgroundLoop, attempt: Attempt, call: Coroutine[Any, Any, Outcome]) -> None:
        self._loop = loop
        self._attempt = attempt
        self._task: asyncio.Task[Any] | None = None
        self._cancelled = False
        self.future: Future[Outcome] = loop.submit(self._watch(call))

    async def _watch(self, call: Coroutine[Any, Any, Outcome]) -> Outcome:
        self._task = asyncio.current_task()
        if self._cancelled:  # before its first step: there was no task to cancel yet
            call.close()
            return self._attempt.abandoned(GIVEN_UP)
        try:
            return await call
        except asyncio.CancelledError:
            if not self._cancelled:
                raise
            return self._attempt.abandoned(GIVEN_UP)

    def cancel(self) -> None:
        """Give the execution up: the connection is closed, and `future` gives what is known."""
        self._cancelled = True
        self._loop.loop.call_soon_threadsafe(lambda: self._task is not None and self._task.cancel())

    def give_up(self) -> Outcome:
        """Cancel, and return what is known within `fgnb.background.GRACE` seconds."""
        self.cancel()
        try:
            return self.future.result(GRACE)
        except Exception:  # it did not end in time, or by an error of its own this very instant
            return self._attempt.abandoned(GIVEN_UP)


class Client:
    """The same calls for code without an event loop: each blocks, and can be interrupted.

    Args:
        asynchronous: the client whose calls these are.
        loop: where they run; one for all clients by default.
    """

    def __init__(self, asynchronous: AsyncClient, *, loop: BackgroundLoop | None = None) -> None:
        self.asynchronous = asynchronous
        self._loop = loop or _LOOP

    def execute(
        self, workflow: str, input: Any, *, headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Outcome:
        """Execute a workflow and wait for its result; see `AsyncClient.execute`.

        Raises:
            Interrupted: on KeyboardInterrupt, within a second, the connection closed; with what is
                known of the execution.
        """
        submission = self.submit(workflow, input, headers=headers, timeout=timeout)
        try:
            return wait(submission.future)
        except KeyboardInterrupt:
            raise Interrupted(submission.give_up()) from None

    def submit(
        self, workflow: str, input: Any, *, headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Submission:
        """Start an execution in the background."""
        attempt = Attempt()
        call = self.asynchronous.execute(workflow, input, headers=headers, timeout=timeout, attempt=attempt)
        return Submission(self._loop, attempt, call)

    async def aexecute(
        self, workflow: str, input: Any, *, headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Outcome:
        """Execute a workflow from a coroutine on any event loop; cancelling gives it up."""
        submission = self.submit(workflow, input, headers=headers, timeout=timeout)
        future = asyncio.wrap_future(submission.future)
        try:
            while not future.done():
                await asyncio.wait([future], timeout=TICK)
        except asyncio.CancelledError:
            submission.cancel()
            raise
        return future.result()

    def list(self) -> tuple[WorkflowSummary, ...]:
        """Return all workflows of the project."""
        return self._loop.run(self.asynchronous.list())

    def show(self, workflow: str) -> WorkflowInfo:
        """Return a workflow with its definition."""
        return self._loop.run(self.asynchronous.show(workflow))

    def create(self, definition: Mapping[str, Any]) -> WorkflowSummary:
        """Create a workflow."""
        return self._loop.run(self.asynchronous.create(definition))

    def update(self, workflow_id: str, definition: Mapping[str, Any]) -> WorkflowSummary:
        """Replace a workflow's definition."""
        return self._loop.run(self.asynchronous.update(workflow_id, definition))

    def delete(self, urns: Sequence[str]) -> DeleteAnswer:
        """Delete workflows by URN."""
        return self._loop.run(self.asynchronous.delete(urns))

    def close(self) -> None:
        """Close the connections."""
        self._loop.run(self.asynchronous.aclose())


_LOOP = BackgroundLoop("fgnb-client")
