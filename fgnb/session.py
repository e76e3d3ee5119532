"""A session: one connection, and everything that can be done over it.

Each method is a function of the package, too, over the session connected last: ``fgnb.run(...)`` is
``fgnb.connect().run(...)`` if nothing was connected before.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fgnb import wiring
from fgnb.client.client import AsyncClient, Client, Interrupted, Submission
from fgnb.client.outcome import Outcome
from fgnb.client.transport import HttpTransport
from fgnb.config import Settings, settle
from fgnb.errors import InputError, RunInterrupted
from fgnb.local.definitions import compile_definition
from fgnb.local.loading import load_definition
from fgnb.local.service import Service
from fgnb.runs.compare import Comparison
from fgnb.runs.compare import compare as compare_runs
from fgnb.runs.run import Run, describe_failure
from fgnb.values import to_json
from fgnb.wire import WorkflowInfo
from fgnb.wiring import Shown

if TYPE_CHECKING:
    import pandas as pd

    from fgnb.notebook.form import Form


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow(Shown):
    """A workflow of the connected service; `definition` is as the service holds it."""

    name: str
    id: str
    urn: str
    definition: dict[str, Any]
    created_time: str | None = None
    updated_time: str | None = None

    @classmethod
    def of(cls, info: WorkflowInfo) -> Workflow:
        """Make a workflow of the service's answer."""
        return cls(
            name=str(info.definition.get("name", info.id)),
            id=info.id,
            urn=info.workflow_urn,
            definition=info.definition,
            created_time=info.created_time,
            updated_time=info.updated_time,
        )

    def __repr__(self) -> str:
        return f"<Workflow {self.name}, {len(self.definition.get('states', ()))} states>"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a run is made of, checked before anything is sent."""

    workflow: str
    input: Any
    headers: dict[str, str]
    tags: dict[str, Any]
    timeout: float | None


class PendingRun:
    """A run under way in the background; `future` gives the `Run`, whatever becomes of it."""

    def __init__(self, session: Session, prepared: Prepared, submission: Submission) -> None:
        self._submission = submission
        self.future: Future[Run] = Future()

        def ended(done: Future[Outcome]) -> None:
            try:
                run = session._run_of(prepared, done.result())
            except BaseException as error:  # whoever waits must hear of it, whatever it is
                self.future.set_exception(error)
            else:
                self.future.set_result(run)

        submission.future.add_done_callback(ended)

    def cancel(self) -> None:
        """Give the run up: the connection is closed, and the run tells what is known."""
        self._submission.cancel()


class Session:
    """A connection to a workflow service, the embedded one or any compatible; see `connect`."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self.client = client
        self.settings = settings

    @property
    def connection(self) -> str:
        """Which service this is: ``local`` or its endpoint."""
        return self.settings.endpoint.value

    def describe(self) -> pd.DataFrame:
        """Return every effective setting and where it came from; index ``setting``."""
        from fgnb.runs.frames import text_frame

        rows = {"endpoint": self.settings.endpoint, "project_id": self.settings.project_id}
        return text_frame("setting", {name: (row.value, row.origin) for name, row in rows.items()}, ["value", "origin"])

    def run(
        self,
        workflow: str,
        input: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        tags: Mapping[str, Any] | None = None,
        check: bool = True,
    ) -> Run:
        """Run a workflow and wait for its result; can be interrupted.

        Args:
            workflow: its name or id.
            input: what it works on, usually a dict; anything `fgnb.values.to_json` can turn into a
                JSON value. None sends an empty object.
            headers: handed to the workflow's functions besides the input.
            timeout: seconds to wait for the answer; 310 by default, since a run may take 300.
            tags: what to call the run; columns ``tags.<name>`` of the runs frame.
            check: whether anything but success raises.

        Returns:
            The run, of whatever status if ``check=False``.

        Raises:
            InputError: the input can't be sent; with the path to what is wrong in it.
            WorkflowNotFound: no workflow has this name; with the nearest one that exists.
            RunError: the run did not succeed; of the class that belongs to its status, with the
                run as ``.run``.
            RunInterrupted: on KeyboardInterrupt, with the run as ``.run``.

        >>> import fgnb
        >>> run = fgnb.connect("local").run("order-triage", {"sku": "A-100", "qty": 3})
        >>> run.output["total"]
        149.7
        """
        prepared = prepare(workflow, input, headers=headers, timeout=timeout, tags=tags)
        try:
            outcome = self.client.execute(
                prepared.workflow, prepared.input, headers=prepared.headers, timeout=prepared.timeout
            )
        except Interrupted as interrupted:
            run = self._run_of(prepared, interrupted.outcome)
            raise RunInterrupted(describe_failure(run), run) from None
        run = self._run_of(prepared, outcome)
        return run.raise_for_status() if check else run

    async def arun(
        self,
        workflow: str,
        input: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        tags: Mapping[str, Any] | None = None,
        check: bool = True,
    ) -> Run:
        """Run a workflow from a coroutine: ``await fgnb.arun(...)``.

        Arguments, result and errors are those of `run`; cancelling closes the connection.
        """
        prepared = prepare(workflow, input, headers=headers, timeout=timeout, tags=tags)
        outcome = await self.client.aexecute(
            prepared.workflow, prepared.input, headers=prepared.headers, timeout=prepared.timeout
        )
        run = self._run_of(prepared, outcome)
        return run.raise_for_status() if check else run

    def submit(
        self,
        workflow: str,
        input: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> PendingRun:
        """Start a run in the background; arguments as `run`, which never raises here for a failed run."""
        prepared = prepare(workflow, input, headers=headers, timeout=timeout, tags=tags)
        submission = self.client.submit(
            prepared.workflow, prepared.input, headers=prepared.headers, timeout=prepared.timeout
        )
        return PendingRun(self, prepared, submission)

    def _run_of(self, prepared: Prepared, outcome: Outcome) -> Run:
        return Run.of(
            outcome,
            workflow=prepared.workflow,
            input=prepared.input,
            headers=prepared.headers,
            tags=prepared.tags,
            connection=self.connection,
        )

    def workflows(self) -> pd.DataFrame:
        """Return the workflows of the service: index ``name``, with id, description and times."""
        from fgnb.runs.frames import workflows_frame

        return workflows_frame(self.client.list())

    def workflow(self, workflow: str) -> Workflow:
        """Return a workflow with its definition.

        Raises:
            WorkflowNotFound: no workflow has this name or id.
        """
        return Workflow.of(self.client.show(workflow))

    def deploy(self, source: str | Path | Mapping[str, Any]) -> Workflow:
        """Create a workflow, or replace the one of the same name; it is checked before it is sent.

        Args:
            source: a YAML or JSON file, or the definition itself.

        Raises:
            DefinitionError: with every problem found.
        """
        definition = to_json(load_definition(source), root="$")
        name = compile_definition(definition).definition.name
        known = {summary.name: summary.id for summary in self.client.list()}
        summary = self.client.update(known[name], definition) if name in known else self.client.create(definition)
        return Workflow.of(self.client.show(summary.id))

    def compare(self, *runs: Run, keep_equal: bool = False) -> Comparison:
        """Compare runs; see `fgnb.runs.compare.compare`."""
        return compare_runs(*runs, keep_equal=keep_equal)

    def form(self, workflow: str) -> Form:
        """Return a form for a workflow's input, to fill, run and read; see `fgnb.notebook.form.Form`.

        It has a field for each value that the workflow's definition asks for and a JSON tab that
        always agrees with them; Run shows the result and the node errors below.

        Raises:
            WorkflowNotFound: no workflow has this name or id.
        """
        form: Form = wiring.call("form", self, workflow)
        return form

    def close(self) -> None:
        """Close the connection; the embedded service of the process stays as it is."""
        self.client.close()

    def __repr__(self) -> str:
        return f"<Session connected to {self.connection}>"


def prepare(
    workflow: str,
    input: Any = None,
    *,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    tags: Mapping[str, Any] | None = None,
) -> Prepared:
    """Check what a run is made of.

    Raises:
        InputError: something can't be sent; nothing was.
    """
    if not workflow or not isinstance(workflow, str):
        raise InputError(f"a workflow is named by a text, not {workflow!r}")
    if timeout is not None and not (isinstance(timeout, (int, float)) and 0 < timeout < float("inf")):
        raise InputError(f"timeout must be a positive number of seconds, not {timeout!r}")
    for name, given in (("headers", headers), ("tags", tags)):
        if given is not None and not isinstance(given, Mapping):
            raise InputError(f"{name} must be a mapping, not {given!r:.80}")
    return Prepared(
        workflow=workflow,
        input={} if input is None else to_json(input, root="input"),
        headers=to_json(dict(headers or {}), root="headers"),
        tags=to_json(dict(tags or {}), root="tags"),
        timeout=timeout,
    )


@cache
def embedded_service() -> Service:
    """Return the embedded service of this process, which every ``connect("local")`` shares."""
    return Service()


_default: Session | None = None


def connect(target: str | None = None, *, project_id: str | None = None) -> Session:
    """Connect to a workflow service and make the session the default one; prints nothing.

    Args:
        target: ``"local"`` for the embedded service in this process, or the URL of a compatible
            service such as ``fgnb serve``'s. By default the environment variable
            ``FGNB_ENDPOINT``, else the embedded service.
        project_id: the project; an embedded service takes any.

    Raises:
        ConfigError: the target is neither.
    """
    global _default
    settings = settle(target, project_id=project_id)
    transport = embedded_service() if settings.is_local else HttpTransport(settings.endpoint.value)
    client = AsyncClient(transport, project_id=settings.project_id.value)
    _default = Session(Client(client), settings)
    return _default


def current() -> Session:
    """Return the session connected last; connects as `connect` does if there is none."""
    return _default if _default is not None else connect()


def run(
    workflow: str,
    input: Any = None,
    *,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    tags: Mapping[str, Any] | None = None,
    check: bool = True,
) -> Run:
    """Run a workflow and wait for its result; see `Session.run`."""
    return current().run(workflow, input, headers=headers, timeout=timeout, tags=tags, check=check)


async def arun(
    workflow: str,
    input: Any = None,
    *,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    tags: Mapping[str, Any] | None = None,
    check: bool = True,
) -> Run:
    """Run a workflow from a coroutine; see `Session.arun`."""
    return await current().arun(workflow, input, headers=headers, timeout=timeout, tags=tags, check=check)


def workflows() -> pd.DataFrame:
    """Return the workflows of the service as a DataFrame; see `Session.workflows`."""
    return current().workflows()


def workflow(workflow: str) -> Workflow:
    """Return a workflow with its definition; see `Session.workflow`."""
    return current().workflow(workflow)


def deploy(source: str | Path | Mapping[str, Any]) -> Workflow:
    """Create a workflow, or replace the one of the same name; see `Session.deploy`."""
    return current().deploy(source)


def compare(*runs: Run, keep_equal: bool = False) -> Comparison:
    """Compare runs: a row per path that differs, a column per run; see `Comparison`."""
    return compare_runs(*runs, keep_equal=keep_equal)


def form(workflow: str) -> Form:
    """Return a form for a workflow's input, to fill, run and read; see `Session.form`."""
    return current().form(workflow)


for _function in (run, arun, workflows, workflow, deploy, form):
    # help(fgnb.run) is where people look: the whole text, not a reference to it
    _function.__doc__ = getattr(Session, _function.__name__).__doc__
compare.__doc__ = compare_runs.__doc__
