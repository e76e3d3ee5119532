"""Calls of the workflow service from coroutines; a workflow is named by its id or its name."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from fgnb import jsontext
from fgnb.client.caller import Caller
from fgnb.client.outcome import Attempt, Outcome
from fgnb.client.projects import GivenProject, Projects
from fgnb.client.shared import SharedCall
from fgnb.config import DEFAULT_TIMEOUT, RETRY_FOR
from fgnb.counted import counted
from fgnb.errors import (
    AnswerLost,
    AuthenticationFailed,
    ConnectionFailed,
    FgnbError,
    ServiceError,
    WorkflowNotFound,
    nearest,
)
from fgnb.wire import (
    INVALID,
    NOT_FOUND,
    PAGE_SIZE,
    PROJECT_HEADER,
    SYNC_EXECUTIONS,
    DeleteAnswer,
    Transport,
    WorkflowInfo,
    WorkflowPage,
    WorkflowSummary,
    execute_body,
    state_names,
    workflows_path,
)

EXPLAIN_TIMEOUT = 10.0  # seconds for asking what an outcome means, which is known by then
_NO_IDS = ("", ".", "..")  # which would be a path to something else
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

T = TypeVar("T")


class AsyncClient:
    """Calls one project of one service; all calls belong on one event loop.

    Args:
        transport: the way to the service.
        project_id: the project's id, or who tells it when it is needed first.
        timeout: seconds to wait for the answer to an execution.
        retry_for: seconds in which another attempt may begin, where nothing can have run; 0 for never.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        project_id: str | Projects,
        timeout: float = DEFAULT_TIMEOUT,
        retry_for: float = RETRY_FOR,
    ) -> None:
        self._caller = Caller(transport, retry_for=retry_for)
        self.projects = GivenProject(project_id) if isinstance(project_id, str) else project_id
        self.timeout = timeout
        self._listing = SharedCall(self.list)
        self._ids: dict[str, str] = {}  # name -> id, as listed last
        self._definitions: dict[str, Mapping[str, Any]] = {}  # by id, as shown last
        self._learned: set[str] = set()  # ids that were asked for only to be shown
        self._missing: dict[str, str] = {}  # by id, what to say of those that are not there

    async def execute(
        self,
        workflow: str,
        input: Any,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        attempt: Attempt | None = None,
        text: bytes | None = None,
    ) -> Outcome:
        """Execute a workflow and wait for its result (page 06_1016). Nothing is run twice.

        Args:
            workflow: id or name.
            input: a JSON value, as `fgnb.values.to_json` gives it.
            headers: handed to the workflow's functions.
            timeout: seconds to wait for the answer, and as many for the look-up of a name; the client's own by
                default.
            attempt: kept up to date for a caller that may have to give up.
            text: the input as JSON, if it is written already.

        Raises:
            WorkflowNotFound: no workflow has this id or name.
            InputError: the body is nested too deeply.
            ConfigError: there are no credentials, or no project.
        """
        attempt = attempt or Attempt()
        limit = self.timeout if timeout is None else timeout
        body = execute_body(jsontext.dumps(input) if text is None else text, headers)
        try:
            attempt.workflow_id = self.known_id(workflow) or await self._look_up_within(limit, workflow)
            outcome = await self._execute_once(attempt, body, limit)
            gone = outcome.status == "rejected" and outcome.error_code == NOT_FOUND
            if gone and attempt.workflow_id != workflow:
                # The name may have moved to another id since it was looked up; a 404 ran nothing.
                attempt.sent = False
                known, attempt.workflow_id = attempt.workflow_id, await self._look_up_within(limit, workflow)
                if attempt.workflow_id != known:
                    outcome = await self._execute_once(attempt, body, limit)
        except TimeoutError:
            return attempt.not_sent(f"the look-up of '{workflow}' was not answered within {limit:g} s")
        except (ConnectionFailed, AnswerLost) as error:
            # Of a look-up of the workflow or the project, since _execute_once ends its own: the execution was not sent.
            return attempt.not_sent(error.message)
        except ServiceError as error:
            return attempt.refused(error)
        attempt.outcome = outcome
        if outcome.status == "success":
            return outcome
        try:
            async with asyncio.timeout(EXPLAIN_TIMEOUT):
                outcome = await self._explained(outcome, attempt.workflow_id)
        except TimeoutError:
            pass  # the outcome stands without
        return outcome

    async def _execute_once(self, attempt: Attempt, body: bytes, timeout: float) -> Outcome:
        project_id, path = await self._path(attempt.workflow_id, SYNC_EXECUTIONS)
        attempt.count = 0
        try:
            response = await self._caller.send(
                "POST", path, body=body, timeout=timeout, attempt=attempt, headers={PROJECT_HEADER: project_id}
            )
        except ConnectionFailed as error:
            return attempt.not_sent(error.message)
        except AnswerLost as error:
            return attempt.lost(error.message)
        return attempt.answered(response)

    async def _explained(self, outcome: Outcome, workflow_id: str) -> Outcome:
        """Add what the workflow and the list of workflows tell about an outcome."""
        if outcome.execution is not None and outcome.execution.errors:
            return replace(outcome, node_names=state_names(await self._definition(workflow_id)))
        if outcome.error_code == INVALID and outcome.status == "rejected":
            definition = await self._definition(workflow_id)
            if definition and definition.get("mode") != "EXPRESS":
                known = "A NORMAL workflow is not executed synchronously: only one with mode: EXPRESS is"
                return replace(outcome, hint=known)
        elif outcome.error_code == NOT_FOUND:
            return replace(outcome, hint=await self._what_exists(workflow_id))
        elif outcome.streamed:
            definition = await self._definition(workflow_id)
            if definition.get("enable_stream_response") is True:
                size = counted(len(outcome.raw), "byte")
                return replace(outcome, status="success", reason=f"a streaming workflow answered: {size}, in .raw")
        return outcome

    async def _definition(self, workflow_id: str) -> Mapping[str, Any]:
        """Return a workflow's definition, asked for once; empty if it can't be had."""
        if workflow_id not in self._definitions:
            try:
                await self._show(workflow_id)
            except FgnbError:
                return {}
        return self._definitions[workflow_id]

    async def learn(self, workflow_id: str) -> None:
        """Ask for a workflow's definition, once, for `known_definition`; quietly nothing if it can't be had."""
        if workflow_id not in self._learned:
            self._learned.add(workflow_id)
            await self._definition(workflow_id)

    def known_definition(self, workflow_id: str | None) -> Mapping[str, Any] | None:
        """Return a workflow's definition as far as it was asked for before."""
        return self._definitions.get(workflow_id or "") or None

    def known_id(self, workflow: str) -> str | None:
        """Return the id of a workflow as far as nobody has to be asked."""
        return workflow if _UUID.fullmatch(workflow) else self._ids.get(workflow)

    def known_names(self) -> list[str]:
        """Return the names of workflows as listed last."""
        return list(self._ids)

    async def _what_exists(self, workflow_id: str) -> str | None:
        """Return which workflows there are instead, asked for once per id; None if that can't be had."""
        if workflow_id not in self._missing:
            try:
                names = {summary.id: summary.name for summary in await self.list()}
            except FgnbError:
                return None
            near = nearest(workflow_id, names)
            meant = f"; did you mean {near} ({names[near]})?" if near else ""
            known = ", ".join(sorted(names.values())[:10]) or "none"
            self._missing[workflow_id] = f"The project has no workflow of this id{meant}\nKnown workflows: {known}"
        return self._missing[workflow_id]

    async def workflow_id(self, workflow: str) -> str:
        """Return the id of a workflow; a name is looked up once and remembered.

        Raises:
            WorkflowNotFound: no workflow has this name.
            ServiceError: the list could not be had.
        """
        return self.known_id(workflow) or await self._look_up(workflow)

    async def _look_up(self, workflow: str) -> str:
        listed = await self._listing.result()
        ids = {summary.id for summary in listed}
        if workflow in self._ids:
            return self._ids[workflow]
        if workflow in ids:
            return workflow
        raise WorkflowNotFound(workflow, list(self._ids))

    async def _look_up_within(self, seconds: float, workflow: str) -> str:
        return await asyncio.wait_for(self._look_up(workflow), seconds)

    async def check(self, workflow: str) -> None:
        """Look a workflow up before many runs of it, so that a wrong name or key is told once.

        Raises:
            WorkflowNotFound: no workflow has this name.
            AuthenticationFailed: the service does not know who is asking; a wrong signature for each of
                many runs would lock the key.
            ConfigError: there are no credentials, or no project.
        """
        try:
            if await self.workflow_id(workflow) == workflow:
                await self._show(workflow)  # a signed request; an id needs no look-up
        except AuthenticationFailed:
            raise
        except ServiceError:
            pass  # who may execute need not be allowed to look; the runs tell

    async def list(self) -> tuple[WorkflowSummary, ...]:
        """Return all workflows of the project, whatever the number of pages (page 06_1003)."""
        found: dict[str, WorkflowSummary] = {}
        offset = 0
        while True:
            query = urlencode({"limit": PAGE_SIZE, "offset": offset})
            page = await self._call("GET", WorkflowPage, query=query)
            before = len(found)
            found |= {summary.id: summary for summary in page.workflows}
            offset += len(page.workflows)
            if len(found) == before or offset >= page.total:  # the former: a total that is wrong would never be reached
                break
        self._ids = {summary.name: summary.id for summary in found.values()}
        return tuple(found.values())

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
        info = await self._call("GET", WorkflowInfo, workflow_id)
        self._definitions[workflow_id] = info.definition
        return info

    async def create(self, definition: Mapping[str, Any]) -> WorkflowSummary:
        """Create a workflow (page 06_1004)."""
        summary = await self._call("POST", WorkflowSummary, value=definition)
        self._ids[summary.name] = summary.id
        return summary

    async def update(self, workflow_id: str, definition: Mapping[str, Any]) -> WorkflowSummary:
        """Replace a workflow's definition (page 06_1008)."""
        summary = await self._call("PUT", WorkflowSummary, workflow_id, value=definition)
        self._definitions.pop(workflow_id, None)
        self._ids = {name: known for name, known in self._ids.items() if known != workflow_id}
        self._ids[summary.name] = summary.id
        return summary

    async def delete(self, urns: Sequence[str]) -> DeleteAnswer:
        """Delete workflows by URN (page 06_1002); the answer says which are gone."""
        self._ids.clear()
        return await self._call("DELETE", DeleteAnswer, value={"workflow_urns": list(urns)})

    async def aclose(self) -> None:
        """Close the connections; runs under way end as unknown, and say so."""
        await self._caller.aclose()
        await self.projects.aclose()

    async def _path(self, workflow_id: str | None = None, action: str | None = None) -> tuple[str, str]:
        """Return the project's id, and the path of its workflows, of one, or of an action on one."""
        if workflow_id in _NO_IDS:
            raise AnswerLost(f"the service names a workflow by the id '{workflow_id}', which leads elsewhere")
        project_id = await self.projects.id()
        quoted = None if workflow_id is None else quote(workflow_id, safe="")
        return project_id, workflows_path(project_id, quoted, action)

    async def _call(
        self, method: str, kind: type[T], workflow_id: str | None = None, *, query: str = "", value: Any = None
    ) -> T:
        project_id, path = await self._path(workflow_id)
        path = f"{path}?{query}" if query else path
        return await self._caller.call(method, path, kind, value, {PROJECT_HEADER: project_id})
