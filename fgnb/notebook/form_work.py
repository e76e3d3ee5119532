"""What a form does: one run, or a sweep, at a time; its buttons, its elapsed time, what came of it."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import ipywidgets

from fgnb import wiring
from fgnb.background import SLICE, BackgroundLoop
from fgnb.counted import counted
from fgnb.errors import FgnbError, InputError
from fgnb.notebook.form_runs import LastRuns
from fgnb.notebook.form_sweep import CHECKED, SweepPanel, explored, follow, listed
from fgnb.notebook.form_values import Grid
from fgnb.notebook.form_widgets import Once
from fgnb.paths import format_path, parse_path
from fgnb.render import html
from fgnb.render.run import card_html, card_text, elapsed_text
from fgnb.runs.compare import compare
from fgnb.runs.job import Job
from fgnb.runs.run import Run
from fgnb.runs.runset import RunSet
from fgnb.session import Session
from fgnb.values import to_json

if TYPE_CHECKING:
    from fgnb.notebook.form import Form
    from fgnb.notebook.form_extras import Extras
    from fgnb.notebook.form_outcome import Outcome
    from fgnb.runs.pending import PendingRun

TICK = 0.2  # seconds between two paintings of the elapsed time

_CLOCK = BackgroundLoop("fgnb-form")  # paints elapsed times; apart, so that it never delays the client


class Work:
    """What is under way in a form, and what has ended.

    Args:
        form: whose input it takes.
        session: runs it.
        workflow: its name or id.
        outcome: where results are shown.
        extras: headers and tags.
    """

    def __init__(self, form: Form, session: Session, workflow: str, outcome: Outcome, extras: Extras) -> None:
        self._form, self._session, self._workflow = form, session, workflow
        self._outcome, self._extras = outcome, extras
        self._pending: PendingRun | Job | None = None
        self._cancelling = False
        self._ended = threading.Event()
        self._ended.set()
        self._failure: BaseException | None = None
        self._done: list[Run | RunSet] = []
        self._go = ipywidgets.Button(description="Run", button_style="primary", tooltip="run the workflow")
        self._stop = ipywidgets.Button(description="Cancel", disabled=True, tooltip="give up what is under way")
        self._status = ipywidgets.HTML(layout=form.looks.told, style=form.looks.html)
        self.buttons = ipywidgets.HBox([self._go, self._stop, self._status], layout=form.looks.row)
        self.last = LastRuns(form.looks, form.listen, form.refill, self._compare, self._safe)
        self.panel = SweepPanel(
            form.looks,
            form.listen,
            leaves=form.leaves,
            base=lambda: form.value,
            check=self._first_problem,
            start=self._start_sweep,
            ready=self._not_ready,
            silent=form.silent,
        )
        self._once = Once()
        form.listen(self._go, lambda _: self.submit() if self._once.taken(form.value) else None, None)
        form.listen(self._stop, lambda _: self.cancel(), None)

    def widgets(self) -> list[Any]:
        """Return the widgets that may not be on the page now."""
        return [*self.panel.widgets(), *vars(self.last).values()]

    @property
    def run(self) -> Run | None:
        """The single run that ended last."""
        return next((one for one in reversed(self._done) if isinstance(one, Run)), None)

    @property
    def runs(self) -> RunSet:
        """All runs that ended."""
        return RunSet(run for one in self._done for run in ([one] if isinstance(one, Run) else one))

    # --- starting --------------------------------------------------------------------------------

    def submit(self) -> None:
        """Start a run; do nothing while something is under way."""
        with self._form.lock:
            if self._pending is not None:
                return
            if problem := self._form.blocked():
                raise InputError(f"the form can't run: {problem}")
            pending = self._session.submit(
                self._workflow, self._form.value, headers=self._extras.headers, tags=self._extras.tags
            )
            self._begin(pending)
        context = contextvars.copy_context()  # so that the end belongs to the cell that began it
        pending.future.add_done_callback(lambda done: context.run(self._on_end, done))
        _CLOCK.submit(self._tick(pending))

    def sweep(self, vary: Mapping[str, Any] | None) -> None:
        """Start a sweep; do nothing while something is under way."""
        with self._form.lock:
            if self._pending is not None:
                return
            if vary is None:
                grid = self.panel.grid(CHECKED)
            else:
                grid = Grid(self._form.value, {parse_path(name): self._listed(name, one) for name, one in vary.items()})
                for number in range(min(CHECKED, len(grid))):
                    if problem := self._first_problem(grid[number]):
                        raise InputError(f"input {number + 1:,} of {len(grid):,}: {problem}")
            self._start_sweep(grid)

    def _listed(self, name: str, given: Any) -> list[Any]:
        if not isinstance(given, str):
            return list(to_json(list(given), root=name))
        field = self._form.leaves().get(format_path(parse_path(name)))
        if field is None:
            raise InputError(f"the form has no field {name}: give a list of values")
        return listed(field, given)

    def _start_sweep(self, grid: Grid) -> None:
        if self._pending is not None:
            return
        if problem := self._not_ready():
            raise InputError(f"the form can't run: {problem}")
        job = self._session.sweep(
            self._workflow,
            inputs=grid,
            headers=self._extras.headers or None,
            tags=self._extras.tags or None,
            background=True,
            progress=False,
        )
        self._begin(job)
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._follow, job), name="fgnb-form-sweep", daemon=True).start()

    def _begin(self, pending: PendingRun | Job) -> None:
        self._pending, self._cancelling, self._failure = pending, False, None
        self._ended.clear()
        self._outcome.show(_running(self._workflow))
        self.paint()

    def _not_ready(self) -> str | None:
        """Return why nothing can start now."""
        return "something is under way" if self._pending is not None else self._unread()

    def _unread(self) -> str | None:
        # What a schema finds wrong may be mended by the values of a sweep, each of which is checked
        unread = [name for name, _ in self._form.checks.unread()]
        return f"{', '.join(unread[:3])}: can't be read" if unread else None

    def _first_problem(self, value: Any) -> str | None:
        issue = next(iter(self._form.checks.of(value)), None)
        return f"{format_path(issue.path) or 'input'}: {issue.message}" if issue is not None else None

    # --- ending ----------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Give up what is under way."""
        with self._form.lock:
            if self._pending is None:
                return
            if isinstance(self._pending, Job):
                self._pending.cancel(drop=self._cancelling)
            else:
                self._pending.cancel()
            self._cancelling = True
            self.paint()

    def wait(self, timeout: float | None) -> Run | RunSet:
        """Return what is under way when it has ended, or the last result."""
        until = float("inf") if timeout is None else time.monotonic() + timeout
        while not self._ended.wait(SLICE):  # so that Ctrl-C is seen on every platform
            if time.monotonic() >= until:
                raise TimeoutError(f"{self._workflow} has not ended within {timeout:g} s")
        for widget in (self._go, self._stop, self._status, *self._outcome.box.children):
            widget.send_state()  # nbclient loses what changes after a cell has ended
        if self._failure is not None:
            raise self._failure
        if not self._done:
            raise FgnbError("nothing ran yet: submit() starts a run")
        return self._done[-1]

    def _on_end(self, done: Future[Run]) -> None:
        try:
            with self._form.shown_errors():
                self._failure = failure = done.exception()
                if failure is not None:
                    self._outcome.show(_EMPTY)
                    raise failure
                self._keep(done.result())
                safe = self._safe(done.result())
                self._outcome.show({"text/plain": card_text(safe), "text/html": card_html(safe)})
        finally:
            self._end()

    def _follow(self, job: Job) -> None:
        try:
            with self._form.shown_errors():
                runs, self._failure = follow(job, self._outcome.show)
                if len(runs) or self._failure is None:
                    self._keep(runs)
                    self._outcome.show(*explored(self._safe_set(runs)))
                if self._failure is not None:
                    raise self._failure
        finally:
            self._end()

    def _keep(self, ended: Run | RunSet) -> None:
        self._done.append(ended)
        with self._form.lock, self._form.silent():
            self.last.show([one for one in self._done if isinstance(one, Run)])

    def _end(self) -> None:
        with self._form.lock, self._form.silent():
            self._pending = None
            self.paint()
        try:
            if self._failure is None and self._done:
                with self._form.shown_errors():
                    self._form.tell("runs", None, self.runs)
                    if isinstance(self._done[-1], Run):
                        self._form.tell("run", None, self._done[-1])
        finally:
            self._ended.set()

    async def _tick(self, pending: Any) -> None:
        started = time.monotonic()
        with self._form.shown_errors():
            while True:
                with self._form.lock:
                    if self._pending is not pending:
                        return
                    doing = "cancelling" if self._cancelling else "running"
                    self._status.value = self._form.status(f"{doing} … {time.monotonic() - started:.1f} s")
                await asyncio.sleep(TICK)

    # --- showing ---------------------------------------------------------------------------------

    def paint(self) -> None:
        """Show what can be done now, and why not."""
        self.panel.paint()
        running, problem = self._pending is not None, self._form.blocked()
        is_sweep = isinstance(self._pending, Job)
        self._go.disabled = running or problem is not None
        self._stop.disabled = not running or (self._cancelling and not is_sweep)
        self._stop.description = "Give up" if running and is_sweep and self._cancelling else "Cancel"
        if not running:
            text = problem or self._last()
            self._status.value = self._form.status(text, error=problem is not None)
        elif is_sweep:
            told = "no further input is sent; what is under way is waited for" if self._cancelling else "running …"
            self._status.value = self._form.status(told)

    def _last(self) -> str:
        if not self._done:
            return ""
        last = self._done[-1]
        if isinstance(last, RunSet):
            counts = [f"{count:,} {status}" for status, count in last.counts.items()]
            return f"{counted(len(last), 'run')}{': ' if counts else ''}{', '.join(counts)}"
        return f"run {len(self.runs)}: {last.status} after {elapsed_text(last.elapsed)}"

    def _compare(self, one: Run, other: Run) -> None:
        comparison = compare(self._safe(one), self._safe(other))
        self._outcome.show(wiring.call(f"show {type(comparison).__name__}", comparison))

    def _safe_set(self, runs: RunSet) -> RunSet:
        """Return a sweep's runs as they may be shown; they all have the same keys."""
        plain = all(self._form.hidden.shown(run.input) is run.input for run in runs[:1])
        return runs if plain else RunSet(map(self._safe, runs))

    def _safe(self, run: Run) -> Run:
        """Return a run as it may be shown: what the page gets may be saved."""
        shown = self._form.hidden.shown
        return replace(run, input=shown(run.input), output=shown(run.output), headers=shown(dict(run.headers)))


_EMPTY = {"text/plain": "", "text/html": ""}


def _running(workflow: str) -> dict[str, str]:
    """Return what is shown while a run is under way: what a notebook that is saved meanwhile says."""
    text = f"{workflow} is running …"
    return {"text/plain": text, "text/html": f'<div style="{html.FONT}">{html.muted(text)}</div>'}
