"""A session: one connection, and everything that can be done over it.

Each method is a function of the package, too, over the session connected last: ``fgnb.run(...)`` is
``fgnb.connect().run(...)`` if nothing was connected before.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, overload

from fgnb import wiring
from fgnb.client.blocking import Client, Interrupted, Submission
from fgnb.client.projects import ProjectOfRegion
from fgnb.config import Settings
from fgnb.connection import preview, travelling
from fgnb.errors import HistoryError, InputError, RunInterrupted
from fgnb.local.service import Service
from fgnb.registry import Registry
from fgnb.runs.compare import compare
from fgnb.runs.inputs import How, inputs_of
from fgnb.runs.job import Job
from fgnb.runs.order import CONCURRENCY, order_of
from fgnb.runs.pending import PendingRun
from fgnb.runs.prepare import Prepared, prepare
from fgnb.runs.recording import Recording
from fgnb.runs.run import Run, describe_failure
from fgnb.runs.runset import RunSet

if TYPE_CHECKING:
    import pandas as pd

    from fgnb.notebook.explore import Explorer
    from fgnb.notebook.form import Form
    from fgnb.runs.history import History
    from fgnb.runs.preview import Preview


class Session(Registry):
    """A connection to a workflow service, the embedded one or any compatible; see `connect`.

    >>> import fgnb
    >>> session = fgnb.connect("local")
    >>> session.run("order-triage", {"sku": "A-100"}).status, session.connection
    ('success', 'local')
    """

    def __init__(
        self,
        client: Client,
        settings: Settings,
        service: Service | None = None,
        kept: History | None = None,
        *,
        kept_by: str = "default",
    ) -> None:
        super().__init__(client, settings, service)
        self._history = kept
        self._kept_by = kept_by  # who says so

    def describe(self) -> pd.DataFrame:
        """Return every effective setting and where it came from; index ``setting``."""
        from fgnb.runs.frames import text_frame

        rows = self.settings.rows()
        projects = self.client.asynchronous.projects
        if isinstance(projects, ProjectOfRegion) and projects.found is not None:
            rows["project_id"] = (projects.found, f"IAM, for region {projects.region}")
        rows["history"] = ("off" if self._history is None else str(self._history.path), self._kept_by)
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
        recording = Recording(self._history, prepared, self.connection)
        recording.begin()
        try:
            outcome = self.client.execute(
                prepared.workflow, prepared.input, headers=prepared.headers, timeout=prepared.timeout
            )
        except Interrupted as interrupted:
            run = recording.end(interrupted.outcome)
            raise RunInterrupted(describe_failure(run), run) from None
        except KeyboardInterrupt:
            raise  # one more, in the instant of the first: the run may be under way, and keeps its record
        except BaseException:
            recording.discard()
            raise
        run = recording.end(outcome)
        recording.flush()
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

        >>> import asyncio, fgnb
        >>> asyncio.run(fgnb.arun("order-triage", {"sku": "A-100"})).status
        'success'
        """
        prepared = prepare(workflow, input, headers=headers, timeout=timeout, tags=tags)
        recording = Recording(self._history, prepared, self.connection)
        await recording.abegin()
        submission = self._submitted(prepared)
        try:
            outcome = await self.client.awaited(submission)
        except asyncio.CancelledError:
            recording.end(submission.known())
            raise
        except BaseException:
            recording.discard()
            raise
        run = recording.end(outcome)
        await recording.aflush()
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
        """Start a run in the background and return a handle: ``.wait()``, ``.cancel()``, ``.run``.

        Arguments as of `run`; a run that fails raises nothing. A cell that shows the handle shows how
        long the run has been under way, and then its card.

        >>> import fgnb
        >>> pending = fgnb.connect("local").submit("order-triage", {"sku": "A-100", "qty": 3})
        >>> pending.wait().status
        'success'
        """
        prepared = prepare(workflow, input, headers=headers, timeout=timeout, tags=tags)
        recording = Recording(self._history, prepared, self.connection)
        recording.begin()
        return PendingRun(recording, self._submitted(prepared), self.client.start)

    def _submitted(self, prepared: Prepared) -> Submission:
        return self.client.submit(prepared.workflow, prepared.input, headers=prepared.headers, timeout=prepared.timeout)

    @overload
    def sweep(
        self, workflow: str, given: Any = None, *, inputs: Any = ..., base: Mapping[str, Any] | None = ...,
        how: How = ..., concurrency: int = ..., headers: Mapping[str, str] | None = ..., timeout: float | None = ...,
        tags: Mapping[str, Any] | None = ..., name: str | None = ..., resume: bool | Literal["retry-unknown"] = ...,
        background: Literal[False] = ..., progress: bool = ..., executor: Executor | None = ...,
        parts: str | os.PathLike[str] | None = ...,
    ) -> RunSet: ...  # fmt: skip
    @overload
    def sweep(
        self, workflow: str, given: Any = None, *, inputs: Any = ..., base: Mapping[str, Any] | None = ...,
        how: How = ..., concurrency: int = ..., headers: Mapping[str, str] | None = ..., timeout: float | None = ...,
        tags: Mapping[str, Any] | None = ..., name: str | None = ..., resume: bool | Literal["retry-unknown"] = ...,
        background: Literal[True], progress: bool = ..., executor: Executor | None = ...,
        parts: str | os.PathLike[str] | None = ...,
    ) -> Job: ...  # fmt: skip
    def sweep(
        self, workflow: str, given: Any = None, *, inputs: Any = None, base: Mapping[str, Any] | None = None,
        how: How = "grid", concurrency: int = CONCURRENCY, headers: Mapping[str, str] | None = None,
        timeout: float | None = None, tags: Mapping[str, Any] | None = None, name: str | None = None,
        resume: bool | Literal["retry-unknown"] = False, background: bool = False, progress: bool = True,
        executor: Executor | None = None, parts: str | os.PathLike[str] | None = None,
    ) -> RunSet | Job:  # fmt: skip
        """Run a workflow over many inputs, so many at once; never raises for a failed run.

        Each run is recorded in the history before it is sent and again when it ends. A rate limit (429)
        slows all of them down instead of failing any, for as long as the session's ``retry_for``; a
        connection that does not come up is tried three times.

        Args:
            workflow: its name or id.
            given: what it runs over: a mapping of lists is a grid, whose keys may be paths
                (``"order.qty"``); a DataFrame's rows, whose columns may be paths and whose missing cells
                are left out; a set of runs, for their inputs; or any other iterable, taken as it is needed.
            inputs: the same, by name.
            base: what stands in every input besides.
            how: ``"grid"``: every combination of the lists; ``"zip"``: their first values, their second, ...
            concurrency: runs at once, from 1 to 1,000.
            headers: handed to the workflow's functions besides the input.
            timeout: seconds to wait for each answer; 310 by default.
            tags: what to call each run; columns ``tags.<name>`` of the runs frame.
            name: names the sweep in the history, so that it can be gone on with; each name once.
            resume: go on with the sweep `name`: only inputs without a final record are sent. Those that
                may have run (``unknown``) are not, unless ``"retry-unknown"`` is given; what never ran
                (``unsent``, ``rejected``, ``cancelled``) is. Runs that failed are final: a sweep over them,
                ``inputs=runs[runs.frame["status"] == "fail"]``, does those again. The result holds the
                earlier runs, too.
            background: return a `Job` at once.
            progress: whether to show how far it is.
            executor: runs the inputs in chunks in its threads, in its processes, or on other machines:
                one of `concurrent.futures`, or Dask's ``client.get_executor()``. Each worker has a client
                and `concurrency` of its own, and finds credentials in its own environment. What a lost
                worker may have sent is ``unknown``; the rest of its chunk goes to another one. The embedded
                service takes threads only; other workers reach ``fgnb serve``.
            parts: with `executor`, a folder that all workers see, where they leave the runs as Parquet
                files for `fgnb.read_runs`; needed if they are on other machines.

        Returns:
            The runs, in the order of the inputs. After an interrupt those that there are by then; what
            was under way is ``unknown``.

        Raises:
            InputError: the first inputs can't be sent, or `name` is taken; nothing was sent.
            WorkflowNotFound: no workflow has this name.
            SweepStopped: it could not go on (an input that can't be sent, refused credentials, a history
                that can't be written where `name` needs it); carries ``.runs``.

        >>> import fgnb
        >>> runs = fgnb.connect("local").sweep("order-triage", {"sku": ["A-100", "B-7"], "qty": range(1, 4)})
        >>> runs.frame["output.total"].tolist()
        [49.9, 99.8, 149.7, 129.0, 258.0, 387.0]
        """
        if (given is None) == (inputs is None):
            raise InputError("a sweep takes its inputs once: as second argument, or as inputs=")
        job = self.plan_sweep(
            workflow, given if inputs is None else inputs, base=base, how=how, concurrency=concurrency,
            headers=headers, timeout=timeout, tags=tags, name=name, resume=resume, progress=progress,
            executor=executor, parts=parts,
        )  # fmt: skip
        if background:
            job.start()
            return job
        return job.run()

    def plan_sweep(
        self, workflow: str, given: Any, *, base: Mapping[str, Any] | None = None, how: How = "grid",
        concurrency: int = CONCURRENCY, headers: Mapping[str, str] | None = None, timeout: float | None = None,
        tags: Mapping[str, Any] | None = None, name: str | None = None,
        resume: bool | Literal["retry-unknown"] = False, progress: bool = True, executor: Executor | None = None,
        parts: str | os.PathLike[str] | None = None,
    ) -> Job:  # fmt: skip
        """Return a sweep that has taken no input yet, for `Job.run` or `Job.start`; arguments as of `sweep`."""
        prepared = prepare(workflow, headers=headers, timeout=timeout, tags=tags)
        plan = inputs_of(given, base=base, how=how)
        order = order_of(
            prepared, self._history, connection=self.connection, concurrency=concurrency, name=name, resume=resume
        )
        workers = None
        if executor is not None:
            from fgnb.runs.scatter import workers_of  # with much that a sweep of this process's own does without

            workers = workers_of(executor, travelling(self.settings, self.client), parts)
        elif parts is not None:
            raise InputError("parts is where the workers of an executor leave runs: give executor=, too")
        client = self.client
        return Job(client.asynchronous, client.start, order, plan, self._history, workers=workers, show=progress)

    def history(
        self,
        workflow: str | None = None,
        *,
        status: str | Sequence[str] | None = None,
        since: datetime | date | timedelta | str | None = None,
        tags: Mapping[str, Any] | None = None,
        name: str | None = None,
        limit: int | None = None,
    ) -> RunSet:
        """Return recorded runs, oldest first, from all notebooks on this machine.

        What a crash left open is ``unknown``, and so is a run still under way in another process; the
        reason tells which. Values under keys that look like secrets are ``***``. Which file it is, and
        how to keep it small, is told by `fgnb.runs.keeping.history_at`.

        Args:
            workflow: only of this one, by the name or id that was given.
            status: only of this status, or of one of these.
            since: submitted at this time or later: a time, a day, or how long ago (a timedelta, or a text
                such as ``"2h"``, ``"7d"``).
            tags: only with these tags.
            name: only of the sweep of this name, the latest run of each input.
            limit: only the newest so many, still oldest first: ``[-1]`` is the latest.

        Raises:
            HistoryError: it is off, or can't be read.
            InputError: an argument is wrong.

        >>> import fgnb
        >>> run = fgnb.run("order-triage", {"sku": "A-100"}, tags={"story": "docs"})
        >>> fgnb.history("order-triage", tags={"story": "docs"}, since="1h")[-1] == run
        True
        """
        if self._history is None:
            raise HistoryError("the history is off (FGNB_HISTORY, or connect(history=...)): no run is recorded")
        return self._history.select(workflow, status=status, since=since, tags=tags, name=name, limit=limit)

    def find_runs(self, run_ids: Sequence[str]) -> list[Run]:
        """Return those of the runs with these ids that the history holds."""
        return [] if self._history is None else self._history.find(run_ids)

    def preview(
        self,
        workflow: str,
        input: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        tags: Mapping[str, Any] | None = None,
        over: Any = None,
    ) -> Preview:
        """Return what `run` would send with these arguments, secrets masked; sends nothing, not even a look-up.

        With `over`, what the first runs of a `sweep` over it would send, whose base is `input`. An
        iterator, which gives each input only once, is not asked.

        Raises:
            InputError: the input can't be sent.
        """
        prepared = prepare(workflow, input, headers=headers, timeout=timeout, tags=tags)
        return preview(self.client, self.settings, prepared, over=over)

    compare = staticmethod(compare)

    def form(self, workflow: str, *, schema: Any = None, example: Any = None) -> Form:
        """Return a form for a workflow's input, to fill, run and read; see `fgnb.notebook.form.Form`.

        `schema` is a JSON Schema (a dict) or a pydantic model for the input, `example` an input to begin with.

        >>> import fgnb
        >>> form = fgnb.connect("local").form("order-triage", example={"sku": "A-100"})
        >>> form.problems, form.value
        ([], {'sku': 'A-100'})
        """
        form: Form = wiring.call("form", self, workflow, schema=schema, example=example)
        return form

    def explore(self, runs: RunSet | Job | None = None) -> Explorer:
        """Return a table of runs to sort, filter, choose from, compare and plot; see `fgnb.notebook.explore.Explorer`.

        Args:
            runs: a set of runs, or a sweep under way, whose runs come in as they end. By default the latest
                10,000 of the history.

        Raises:
            HistoryError: the history is off, or can't be read.

        >>> import fgnb
        >>> explorer = fgnb.explore(fgnb.RunSet([fgnb.run("order-triage", {"sku": "A-100"})]))
        """
        explorer: Explorer = wiring.call("explore", runs, session=self)
        return explorer

    def __repr__(self) -> str:
        return f"<Session connected to {self.connection}>"
