"""The service's interface without a web framework: a request in, an answer out.

Paths, statuses and bodies are those of the API reference (pages 06_1001 to 06_1016). An unknown path
is answered as the gateway before the real service does. `fgnb.local.openapi` describes it all, and
the service gives that description at ``/openapi.json``.
"""

from __future__ import annotations

import contextlib
import logging
from collections import ChainMap
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from fgnb import jsontext
from fgnb.config import LOCAL_PROJECT
from fgnb.errors import AnswerLost, ConfigError, InputError
from fgnb.local import openapi
from fgnb.local.catalog import Catalog, DuplicateName
from fgnb.local.engine import Engine
from fgnb.local.execution import Clock, Execution, Visit
from fgnb.local.execution_endpoints import ExecutionEndpoints
from fgnb.local.executions import Executions
from fgnb.local.functions import ISOLATIONS, Functions, Isolation, registered
from fgnb.local.gateway import Gateway
from fgnb.local.ids import new_id
from fgnb.local.limits import within
from fgnb.local.metrics import Metrics
from fgnb.local.options import DEFAULTS, Options
from fgnb.local.plan import Plan
from fgnb.local.refusals import Refused, answer, internal_error, invalid, no_api, too_large
from fgnb.local.samples import functions as sample_functions
from fgnb.local.samples import sample_definitions
from fgnb.local.traces import Traces
from fgnb.local.workflow_endpoints import WorkflowEndpoints
from fgnb.wire import BODY_LIMIT, EXPRESS_LIMIT, REQUEST_ID_HEADER, SYNC_EXECUTIONS, Request, Response

log = logging.getLogger("fgnb.local")

TRACES = 256  # synchronous executions whose traces are kept
LONGEST_PROJECT = 64  # characters of a project's id
LONGEST_ID = 512  # characters of any other id in a path

Endpoint = Callable[..., Coroutine[Any, Any, tuple[int, Any]]]
"""Takes the request, the project's id and the ids in its path; gives status and body, None for no body."""

_ENCODER = msgspec.json.Encoder()
_ANSWER_ID = REQUEST_ID_HEADER.lower()


class Service:
    """An embedded service; it is a `fgnb.wire.Transport` to itself.

    Asynchronous executions run on a thread of the service's own: they go on when the event loop of
    whoever started them ends. Everything may be called from several threads at once.

    Args:
        functions: what its workflows may call; by default what `fgnb.function` registered. The
            functions of the sample workflows are found too.
        limit: seconds an execution may take.
        options: how open points of the service's documents are decided.
        clock: what waits of workflows are made of.
        keys: secret keys by access keys; if there are any, requests must be signed, except for the
            description of the service at ``/openapi.json``: it holds nothing of anybody's, and
            tools read it before they know how to sign.
        definitions: workflows that are there from the start.
        samples: whether the sample workflows are there, too, but for those whose names are taken.
        isolation: where functions run that do not say themselves: on threads of this process, or in
            processes of their own.
        traces: of how many synchronous executions `trace` can tell what happened.

    Raises:
        ConfigError: the limit is not a positive number of seconds, or the isolation unknown.
        DefinitionError: a definition is invalid.
        DuplicateName: two definitions have one name.
    """

    def __init__(
        self,
        *,
        functions: Functions | None = None,
        limit: float = EXPRESS_LIMIT,
        options: Options = DEFAULTS,
        clock: Clock = Clock(),  # noqa: B008  # it is frozen
        keys: Mapping[str, str] | None = None,
        definitions: Iterable[Mapping[str, Any]] = (),
        samples: bool = True,
        isolation: Isolation = "thread",
        traces: int = TRACES,
    ) -> None:
        if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not limit > 0:
            raise ConfigError(f"limit must be a positive number of seconds, not {limit!r}")
        if isolation not in ISOLATIONS:
            raise ConfigError(f"isolation must be one of {', '.join(ISOLATIONS)}, not {isolation!r}")
        own = registered if functions is None else functions
        self.options = options
        self.catalog = Catalog(options)
        self._gateway = Gateway(keys) if keys else None
        self.engine = Engine(
            ChainMap(own, sample_functions) if samples else own,
            limit=limit,
            options=options,
            clock=clock,
            find_workflow=self._plan_of,
            launch=self._launch,
            isolation=isolation,
        )
        metrics = Metrics(clock.time)
        self._executions = Executions(self.engine.run, metrics, clock.time, keep_express=options.express_history)
        self._traces = Traces(traces)
        self._endpoints = _endpoints(
            WorkflowEndpoints(self.catalog, metrics),
            ExecutionEndpoints(self.catalog, self.engine, self._executions, metrics, self._traces, clock),
        )
        for definition in definitions:
            self.catalog.create(definition, LOCAL_PROJECT)
        for definition in sample_definitions() if samples else ():
            with contextlib.suppress(DuplicateName):
                self.catalog.create(definition, LOCAL_PROJECT)

    @property
    def secured(self) -> bool:
        """Whether requests must be signed with a key."""
        return self._gateway is not None

    def missing_functions(self) -> dict[str, list[str]]:
        """Return, by workflow, the functions that it may call and that are not registered."""
        missing: dict[str, list[str]] = {}
        for entry in self.catalog:
            for function in entry.plan.definition.functions:
                if not {function.urn_name, function.name} & self.engine.functions.keys():
                    missing.setdefault(entry.plan.definition.name, []).append(function.urn_name)
        return missing

    def names(self) -> list[str]:
        """Return the names of the workflows."""
        return [entry.plan.definition.name for entry in self.catalog]

    def definition(self, workflow: str) -> Mapping[str, Any] | None:
        """Return the definition of a workflow by id or name, None if there is none."""
        entry = self.catalog.find(workflow)
        return entry.info.definition if entry is not None else None

    def _plan_of(self, workflow: str) -> tuple[str, Plan] | None:
        entry = self.catalog.find(workflow)
        return (entry.info.id, entry.plan) if entry is not None else None

    def _launch(self, execution: Execution) -> None:
        """Start a sub-flow that nobody waits for."""
        entry = self.catalog.find(execution.workflow_id)
        self._executions.start(execution, entry.info.workflow_urn if entry is not None else "")

    def trace(self, execution_id: str) -> tuple[Visit, ...]:
        """Return what happened at each state of an execution, in the order in which the states began.

        Of synchronous executions, the latest 256 are known once they have ended, unless the service
        was told another number; of asynchronous ones, those that the service shows.

        Raises:
            KeyError: nothing is known of such an execution.
        """
        visits = self._traces.get(execution_id)
        if visits is None:
            record = self._executions.get(execution_id)
            if record is None:
                raise KeyError(execution_id)
            visits = record.visits
        return visits

    async def send(self, request: Request) -> Response:
        """Answer a request; whatever goes wrong inside becomes an answer, too.

        Raises:
            AnswerLost: the caller's own time limit is over.
        """
        request_id = new_id()
        headers = {_ANSWER_ID: request_id}
        if request.on_sending is not None:
            request.on_sending()
        try:
            path = request.path.partition("?")[0]
            if path == openapi.PATH:
                status, body = 200, self._description(request)
            else:
                if self._gateway is not None:
                    self._gateway.check(request)
                status, value = await within(request.timeout, self._called(request, path))
                body = b"" if value is None else _written(value)
            if body:
                headers["content-type"] = "application/json"
            return Response(status=status, headers=headers, body=body)
        except TimeoutError:
            raise AnswerLost(f"no answer within {request.timeout:g} s") from None
        except Refused as refused:
            return answer(refused, request_id)
        except Exception:
            log.exception("request %s failed inside the embedded service", request_id)
            return answer(internal_error(), request_id)

    async def aclose(self) -> None:
        """Do nothing: an embedded service holds nothing that must be given back."""

    def _description(self, request: Request) -> bytes:
        if request.method != "GET":
            raise no_api()
        return openapi.document(secured=self.secured)

    def _called(self, request: Request, path: str) -> Coroutine[Any, Any, tuple[int, Any]]:
        """Return the call that a request makes, ready to be awaited."""
        # "", "v2", the project, "fgs", and then names and ids in turn
        parts = path.split("/")
        names = parts[4::2]
        endpoint = self._endpoints.get((request.method, len(parts), *names))
        if endpoint is None or parts[0] or parts[1] != "v2" or parts[3] != "fgs":
            raise no_api()
        project, *ids = (unquote(part) if "%" in part else part for part in (parts[2], *parts[5::2]))
        if not 1 <= len(project) <= LONGEST_PROJECT or not all(1 <= len(id) <= LONGEST_ID for id in ids):
            raise no_api()
        if len(request.body) > BODY_LIMIT:
            raise too_large()
        return endpoint(request, project, *ids)


def _endpoints(workflows: WorkflowEndpoints, executions: ExecutionEndpoints) -> dict[tuple[Any, ...], Endpoint]:
    """Return the endpoints by method, number of the path's parts, and names in the path."""
    table: dict[tuple[str, str], Endpoint] = {
        ("GET", "workflows"): workflows.list,
        ("POST", "workflows"): workflows.create,
        ("DELETE", "workflows"): workflows.delete,
        ("GET", "workflows/*"): workflows.show,
        ("PUT", "workflows/*"): workflows.update,
        ("POST", f"workflows/*/{SYNC_EXECUTIONS}"): executions.run,
        ("POST", "workflows/*/executions"): executions.start,
        ("GET", "workflows/*/executions"): executions.list,
        ("GET", "workflows/*/executions-history"): executions.history,
        ("GET", "workflows/*/executions/*"): executions.show,
        ("POST", "workflows/*/executions/*/terminate"): executions.terminate,
        ("POST", "workflows/*/executions/*/retry"): executions.retry,
        ("POST", "workflows/*/callback"): executions.call_back,
        ("GET", "workflow-statistic"): workflows.tenant_metric,
        ("GET", "workflow-statistic/*"): workflows.workflow_metric,
        ("GET", "quotas"): workflows.quotas,
    }
    return {
        (method, 4 + len(path.split("/")), *path.split("/")[::2]): endpoint
        for (method, path), endpoint in table.items()
    }


def _written(value: Any) -> bytes:
    """Write an answer's body exactly; all of it is JSON already, so nothing changes silently.

    Raises:
        Refused: it is nested too deeply.
    """
    try:
        return _ENCODER.encode(value)
    except (UnicodeEncodeError, RecursionError):
        pass
    try:
        return jsontext.dumps(msgspec.to_builtins(value))
    except (InputError, RecursionError):
        raise invalid("the answer is nested too deeply to be written") from None
