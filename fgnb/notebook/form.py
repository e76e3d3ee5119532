"""A form for a workflow's input, on ipywidgets' own controls: fill it, run it, read the result.

The form's one truth is its JSON value; the fields and the JSON tab are two views of it. An edit in
either changes the value, and the value repaints both. A text that can't be read stays where it was
typed, with the reason beside it; it leaves the value alone and keeps Run disabled until it is mended.

Callbacks come from the main thread or a subshell's, the end of a run from the client's loop: state
is changed under one lock, results reach the page as traits, and nothing here prints.
"""

from __future__ import annotations

import asyncio
import contextvars
import copy
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import ipywidgets

from fgnb.background import SLICE, BackgroundLoop
from fgnb.errors import FgnbError, InputError
from fgnb.local.expressions import MISSING
from fgnb.notebook import schema
from fgnb.notebook.controls import ERROR, LATER, Row, alert, as_html, as_text, line, rows
from fgnb.render import html
from fgnb.render.run import card_html, elapsed_text
from fgnb.runs.run import Run
from fgnb.runs.runset import RunSet
from fgnb.values import to_json

if TYPE_CHECKING:
    from fgnb.runs.pending import PendingRun
from fgnb.session import Session

TICK = 0.2  # seconds between two paintings of the elapsed time

_CLOCK = BackgroundLoop("fgnb-form")  # paints elapsed times; apart, so that it never delays the client


class Form(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A form for the input of one workflow.

    A field is empty, and then absent from the input, or holds what `fgnb.notebook.schema.read`
    makes of its text. What the input holds besides the fields is kept as it is.

    Args:
        session: where the workflow is and runs.
        workflow: its name or id.

    Raises:
        WorkflowNotFound: no workflow has this name or id.

    >>> import fgnb
    >>> form = fgnb.connect("local").form("order-triage")
    >>> form.value = {"sku": "A-100", "qty": 3}
    >>> form.submit()
    >>> form.wait().output["total"]
    149.7
    """

    def __init__(self, session: Session, workflow: str) -> None:
        self._session = session
        self._workflow = workflow
        definition = session.workflow(workflow).definition
        self.fields = schema.fields(definition)
        self._lock = threading.RLock()
        self._value: dict[str, Any] = {}
        self._json_problem: InputError | None = None
        self._painting = False
        self._pending: PendingRun | None = None
        self._cancelling = False
        self._ended = threading.Event()
        self._ended.set()
        self._failure: BaseException | None = None
        self._runs: list[Run] = []

        self._rows = rows(self.fields)
        self._json = ipywidgets.Textarea(rows=12, layout={"width": "auto"}, continuous_update=False)
        self._json_note = ipywidgets.HTML()
        self._restore = ipywidgets.Button(
            description="Back to the last valid input", layout={"width": "auto", "align_self": "flex-start"}
        )
        self._run = ipywidgets.Button(description="Run", button_style="primary", icon="play")
        self._cancel = ipywidgets.Button(description="Cancel", icon="stop", disabled=True)
        self._status = ipywidgets.HTML()
        self._trouble = ipywidgets.HTML()
        self._result = ipywidgets.HTML()
        buttons = ipywidgets.HBox([self._run, self._cancel, self._status])
        heading = ipywidgets.HTML(_heading(workflow, definition))
        super().__init__([heading, self._tabs(), buttons, self._trouble, self._result], layout={"max_width": "960px"})
        self._paint()
        for row in self._rows:
            row.control.observe(partial(self._on_field, row), "value")
        self._json.observe(self._on_json, "value")
        self._restore.on_click(self._on_restore)
        self._run.on_click(self._on_run)
        self._cancel.on_click(self._on_cancel)
        for widget in (*(row.control for row in self._rows), self._json, self._restore, self._run, self._cancel):
            _keep_order(widget)

    def _tabs(self) -> Any:
        first = [row.box for row in self._rows if row.field.primary]
        later = [row.box for row in self._rows if not row.field.primary]
        self._more = ipywidgets.Accordion([ipywidgets.VBox(later)], titles=[LATER])
        self._more.selected_index = None if first else 0
        if later:
            first.append(self._more)
        if not first:
            first.append(ipywidgets.HTML(line("The definition names no field: write the input as JSON.", html.MUTED)))
        json_tab = ipywidgets.VBox([self._json, self._json_note, self._restore])
        return ipywidgets.Tab(
            [ipywidgets.VBox(first), json_tab], titles=["Fields", "JSON"], selected_index=0 if self._rows else 1
        )

    # --- for code --------------------------------------------------------------------------------

    @property
    def value(self) -> dict[str, Any]:
        """The input as a JSON value, as the JSON tab shows it; setting it fills the form."""
        return copy.deepcopy(self._value)

    @value.setter
    def value(self, value: Any) -> None:
        new = to_json({} if value is None else value, root="input")
        self._fill(schema.read_input(schema.written(new)))  # so that it is what the JSON tab can hold

    @property
    def run(self) -> Run | None:
        """The run that ended last, or None."""
        return self._runs[-1] if self._runs else None

    @property
    def runs(self) -> RunSet:
        """All runs of this form that ended, the latest last."""
        return RunSet(self._runs)

    def submit(self) -> None:
        """Start a run with the input, as the button does; while one is under way, do nothing.

        Raises:
            InputError: a field or the JSON tab holds what can't be read.
        """
        with self._lock:
            if self._pending is not None:
                return
            if problem := self._problem():
                raise InputError(f"the form can't run: {problem}")
            pending = self._session.submit(self._workflow, self._value)
            self._pending, self._cancelling, self._failure = pending, False, None
            self._ended.clear()
            self._trouble.value = self._result.value = ""
            self._paint_buttons()
        context = contextvars.copy_context()  # so that the end belongs to the cell that began it
        pending.future.add_done_callback(lambda done: context.run(self._on_end, done))
        _CLOCK.submit(self._tick(pending))

    def cancel(self) -> None:
        """Give the run under way up: it ends at once, its outcome perhaps unknown."""
        with self._lock:
            if self._pending is not None:
                self._cancelling = True
                self._pending.cancel()
                self._paint_buttons()

    def wait(self, timeout: float | None = None) -> Run:
        """Return the run under way when it has ended; if none is, the last one at once.

        Args:
            timeout: seconds to wait at most.

        Raises:
            TimeoutError: it takes longer; it goes on.
            FgnbError: nothing was submitted yet, or the submission came to nothing.
        """
        until = float("inf") if timeout is None else time.monotonic() + timeout
        while not self._ended.wait(SLICE):  # so that Ctrl-C is seen on every platform
            if time.monotonic() >= until:
                raise TimeoutError(f"{self._workflow} has not ended within {timeout:g} s")
        for widget in (self._run, self._cancel, self._status, self._trouble, self._result):
            widget.send_state()  # nbclient loses what changes after a cell has ended
        if self._failure is not None:
            raise self._failure
        if not self._runs:
            raise FgnbError("nothing ran yet: submit() starts a run")
        return self._runs[-1]

    # --- from the page ---------------------------------------------------------------------------

    def _on_field(self, row: Row, change: Mapping[str, Any]) -> None:
        with self._shown(), self._lock:
            if self._painting:
                return
            try:
                new = schema.read(row.field.kind, change["new"])
                self._value = schema.with_member(self._value, row.field.path, new)
                row.problem = None
            except InputError as error:
                row.problem = error
            self._paint()

    def _on_json(self, change: Mapping[str, Any]) -> None:
        with self._shown(), self._lock:
            if self._painting:
                return
            try:
                self._fill(schema.read_input(change["new"]))
            except InputError as error:
                self._json_problem = error
                self._paint()

    def _on_restore(self, _: Any) -> None:
        with self._shown():
            self._fill(self._value)

    def _on_run(self, _: Any) -> None:
        with self._shown():
            self.submit()

    def _on_cancel(self, _: Any) -> None:
        with self._shown():
            self.cancel()

    def _on_end(self, done: Future[Run]) -> None:
        try:
            with self._shown():
                self._failure = failure = done.exception()
                if failure is not None:
                    raise failure
                self._runs.append(done.result())
                self._result.value = card_html(self._runs[-1])
        finally:
            with self._lock:
                self._pending = None
                self._paint_buttons()
            self._ended.set()

    async def _tick(self, pending: PendingRun) -> None:
        started = time.monotonic()
        with self._shown():
            while True:
                with self._lock:
                    if self._pending is not pending:
                        return
                    doing = "cancelling" if self._cancelling else "running"
                    self._status.value = line(f"{doing} … {time.monotonic() - started:.1f} s", html.MUTED)
                await asyncio.sleep(TICK)

    @contextmanager
    def _shown(self) -> Iterator[None]:
        """Show an exception in the form: out of a callback, it would end in some log."""
        try:
            yield
        except Exception as error:
            self._trouble.value = alert(
                str(error) if isinstance(error, FgnbError) else f"{type(error).__name__}: {error}"
            )

    # --- painting --------------------------------------------------------------------------------

    def _fill(self, value: dict[str, Any]) -> None:
        with self._lock:
            self._value = value
            self._json_problem = None
            for row in self._rows:
                row.problem = None
            self._paint()
            if any(schema.member(value, row.field.path) is not MISSING for row in self._rows if not row.field.primary):
                self._more.selected_index = 0

    def _paint(self) -> None:
        self._painting = True  # what changes now is no edit
        try:
            for row in self._rows:
                row.paint(self._value, disabled=self._json_problem is not None)
            if self._json_problem is None:
                self._json.value = schema.written(self._value, indent=2)
        finally:
            self._painting = False
        self._json_note.value = alert(html.preformatted(str(self._json_problem))) if self._json_problem else ""
        self._restore.layout.display = None if self._json_problem else "none"
        self._paint_buttons()

    def _paint_buttons(self) -> None:
        running, problem = self._pending is not None, self._problem()
        self._run.disabled = running or problem is not None
        self._cancel.disabled = not running or self._cancelling
        if not running:
            self._status.value = line(problem, ERROR) if problem else line(self._last(), html.MUTED)

    def _problem(self) -> str | None:
        """Return why the form can't run, or None."""
        if self._json_problem is not None:
            return "the JSON needs mending"
        names = [row.field.label for row in self._rows if row.problem is not None]
        return f"{', '.join(names)}: can't be read" if names else None

    def _last(self) -> str:
        if not self._runs:
            return ""
        return f"run {len(self._runs)}: {self._runs[-1].status} after {elapsed_text(self._runs[-1].elapsed)}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(include=include, exclude=exclude)
        name = self._workflow
        return bundle | {
            "text/plain": as_text(name, self.fields, self._value),
            "text/html": as_html(name, self.fields, self._value),
        }

    def __repr__(self) -> str:
        return f"<Form of {self._workflow}: {len(self.fields)} fields, {len(self._runs)} runs>"


def _keep_order(widget: Any) -> None:
    """Have a control's messages handled in the subshell that the front end asks for.

    ipykernel 7.4 hands them to the shell that published on the control last, which differs from one
    control to the next: while a cell runs, an edit waits for it but the click on Run does not, and
    the run gets an input that is not the one on the screen.
    """
    if hasattr(widget.comm, "_reply_subshell_for"):
        widget.comm._reply_subshell_for = None


def _heading(workflow: str, definition: Mapping[str, Any]) -> str:
    description = definition.get("description")
    text = html.muted(description) if isinstance(description, str) else ""
    return f'<div style="{html.FONT}">{html.span(workflow, "font-weight:600")} &nbsp;{text}</div>'
