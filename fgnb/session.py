"""A session: one connection, and everything that can be done over it.

Each method is a function of the package, too, over the session connected last: ``fgnb.run(...)`` is
``fgnb.connect().run(...)`` if nothing was connected before.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fgnb import wiring
from fgnb.client.blocking import Client, Interrupted, Submission
from fgnb.client.outcome import Outcome
from fgnb.client.projects import ProjectOfRegion
from fgnb.config import Settings
from fgnb.deployment import Deployment, Workflow
from fgnb.errors import InputError, RunInterrupted
from fgnb.local.loading import load_definition
from fgnb.local.service import Service
from fgnb.runs.compare import Comparison
from fgnb.runs.compare import compare as compare_runs
from fgnb.runs.prepare import Prepared, prepare
from fgnb.runs.run import Run, describe_failure
from fgnb.runs.trace import Trace

if TYPE_CHECKING:
    import pandas as pd

    from fgnb.notebook.form import Form


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

    def __init__(self, client: Client, settings: Settings, service: Service | None = None) -> None:
        self.client = client
        self.settings = settings
        self._service = service

    @property
    def connection(self) -> str:
        """Which service this is: ``local`` or its endpoint."""
        return self.settings.endpoint.value

    def describe(self) -> pd.DataFrame:
        """Return every effective setting and where it came from; index ``setting``."""
        from fgnb.runs.frames import text_frame

        rows = self.settings.rows()
        projects = self.client.asynchronous.projects
        if isinstance(projects, ProjectOfRegion) and projects.found is not None:
            rows["project_id"] = (projects.found, f"IAM, for region {projects.region}")
        return text_frame("setting", rows, ["value", "origin"])

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

    def deploy(self, source: str | Path | Mapping[str, Any], *, dry_run: bool = False) -> Deployment:
        """Create a workflow, or replace the one of the same name unless nothing has changed.

        It is checked first, as by `fgnb.validate`. The result shows what was done, and each place that
        differs from what the service held.

        Args:
            source: a YAML or JSON file, or the definition itself.
            dry_run: send nothing, only show what would change.

        Raises:
            DefinitionError: with every problem found.
            ServiceError: the service refused it, or can't be reached.

        >>> import fgnb
        >>> definition = fgnb.connect("local").workflow("order-triage").definition
        >>> stricter = definition | {"constants": {"currency": "CNY", "review_above": 1000}}
        >>> fgnb.deploy(stricter, dry_run=True).changes
        (Change(path='$.constants.review_above', kind='changed', before=5000, after=1000),)
        """
        definition = load_definition(source)
        ids = {summary.name: summary.id for summary in self.client.list()}
        id = ids.get(definition["name"])
        held = self.client.show(id) if id is not None else None
        planned = Deployment.planned(definition, held)
        if dry_run:
            return planned
        if held is None:
            held = self.client.show(self.client.create(definition).id)
        elif planned.changes:
            held = self.client.show(self.client.update(held.id, definition).id)
        return replace(planned, id=held.id, dry_run=False, workflow=Workflow.of(held))

    def trace(self, run: Run | str) -> Trace:
        """Return what happened at each state of a run: what came in and out, attempts, times, failures.

        The embedded service of this process keeps that of its latest 256 runs; no other service does.

        Args:
            run: the run, or its execution id.

        Raises:
            InputError: nothing is known of it, or another service ran it.

        >>> import fgnb
        >>> session = fgnb.connect("local")
        >>> session.trace(session.run("order-triage", {"sku": "A-100", "qty": 3})).frame["node_id"].tolist()
        ['price', 'stock', 'decide', 'end']
        """
        if self._service is None:
            raise InputError("only the embedded service in this process tells what happened: fgnb.connect('local')")
        execution_id = run if isinstance(run, str) else run.execution_id
        try:
            return Trace(execution_id or "", self._service.trace(execution_id or ""))
        except KeyError:
            kept = "the embedded service keeps what happened in its latest runs, and only in this process"
            raise InputError(f"nothing is known of execution {execution_id}: {kept}") from None

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
