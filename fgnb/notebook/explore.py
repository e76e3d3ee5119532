"""The explorer: a table of many runs, and beside it those that are chosen, where runs fail, and plots.

The table lives in the page (see `fgnb.notebook.runtable`); the rest follows what is chosen and filtered
there. Callbacks come from the main thread or a subshell's, runs of a sweep from a clock's thread, and
what takes a while is painted in yet another one: traits are set from any of them, and nothing prints.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import ipywidgets

from fgnb.background import SLICE, BackgroundLoop
from fgnb.counted import counted
from fgnb.errors import FgnbError, InputError, did_you_mean
from fgnb.notebook.comms import keep_order
from fgnb.notebook.controls import alert
from fgnb.notebook.painter import Painter
from fgnb.notebook.plotpane import PlotPane
from fgnb.notebook.runtable import RunTable
from fgnb.render import html
from fgnb.render.cells import first_columns
from fgnb.render.explorer import chosen_html, errors_html, heading, saved
from fgnb.runs.job import Job
from fgnb.runs.redact import masked_text
from fgnb.runs.run import Run
from fgnb.runs.runset import RunSet

if TYPE_CHECKING:
    from fgnb.session import Session

LATEST = 10_000  # runs of the history that are shown by default
MOST = 50_000  # rows that a table has
TICK = 0.5  # seconds between two looks at a sweep
SETTLED = 200  # rows after which new ones no longer change which columns are shown to begin with

_CLOCK = BackgroundLoop("fgnb-explorer")  # looks at sweeps; apart, so that it never delays the client


class Explorer(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A table of runs to sort, to filter by column and to choose from, with what is chosen below.

    One chosen run shows its card; two or more are compared. Node errors and plots are those of the runs
    that pass the filters. A click chooses a run, with Ctrl or Shift more; so do the arrows and the space
    bar. A filter is a text, ``=text``, ``!text``, and for numbers ``>2``, ``<=9``, ``1..5``.

    Args:
        runs: the runs; a sweep under way, whose runs come in as they end; or None for the latest 10,000 of
            the history. At most 50,000 are shown.
        session: whose history that is; the session connected last by default.

    Raises:
        HistoryError: the history is off, or can't be read.

    >>> import fgnb
    >>> runs = fgnb.connect("local").sweep("order-triage", {"sku": ["A-100", "B-7"], "qty": range(1, 4)})
    >>> explorer = runs.explore()
    >>> explorer.selected = runs[:2]
    >>> explorer.selected
    <RunSet of 2: 2 success>
    """

    def __init__(self, runs: Iterable[Run] | Job | None = None, *, session: Session | None = None) -> None:
        self._job = runs if isinstance(runs, Job) else None
        self._seen: set[int] = set()
        self._late: list[Run] = []  # that came in while it is shown
        self._closed = False
        self._painter = Painter()
        self._stale: set[int] = set()  # panes that show what was
        self._displays: list[Any] = []
        self._runs, self._note = self._taken(runs, session)
        frame = self._runs.frame
        if not frame.index.is_unique:  # a set may hold a run twice; a table has it once
            self._runs = RunSet({run.run_id: run for run in self._runs}.values())
            frame = self._runs.frame
        self._ids = list(frame.index)
        newest_first = ("submitted_at", "descending") if runs is None else ()
        self.table = RunTable(frame, shown=first_columns(frame), whole=lambda: self.runs.frame, sort=newest_first)
        self._own_columns = list(self.table.shown)

        self._heading = ipywidgets.HTML()
        self._trouble = ipywidgets.HTML()
        self._chosen = ipywidgets.HTML()
        self._errors = ipywidgets.HTML()
        self._plots = PlotPane(lambda: self._paint(2))
        self._plots.offer(frame, self._own_columns)
        boxes = [ipywidgets.VBox([pane]) for pane in (self._chosen, self._errors)]
        self._tabs = ipywidgets.Tab(
            [*boxes, self._plots], titles=["Selected", "Node errors", "Plots"], selected_index=0
        )
        super().__init__([self._heading, self._trouble, self.table, self._tabs])
        self._head()
        self._chosen.value = chosen_html(RunSet())
        self._stale = {1, 2}
        self.table.observe(self._on_chosen, "chosen")
        self.table.observe(self._on_passing, "passing")
        self._tabs.observe(self._on_tab, "selected_index")
        keep_order(self._tabs)
        if self._job is not None:
            self._feeding = _CLOCK.submit(self._feed(self._job))

    def _taken(self, runs: Iterable[Run] | Job | None, session: Session | None) -> tuple[RunSet, str]:
        """Return the runs to begin with, and what is to be said of them."""
        if runs is None:
            from fgnb.shortcuts import current

            found = (session or current()).history(limit=LATEST)
            more = "others: fgnb.history(...).explore()"
            return found, f"the latest {LATEST:,} runs of the history; {more}" if len(found) == LATEST else ""
        if isinstance(runs, Job):
            return runs.fresh(self._seen, MOST), ""
        given = runs if isinstance(runs, RunSet) else RunSet(runs)
        if len(given) <= MOST:
            return given, ""
        return given[:MOST], f"the first {MOST:,} of {len(given):,} runs; choose with runs[mask].explore()"

    # --- for code --------------------------------------------------------------------------------

    @property
    def runs(self) -> RunSet:
        """All runs in the table, in the order they came in."""
        return RunSet([*self._runs, *self._late]) if self._late else self._runs

    @property
    def selected(self) -> RunSet:
        """The chosen runs, in the order of `runs`; set it to runs or run ids to choose them."""
        return self._at(self.table.chosen)

    @selected.setter
    def selected(self, chosen: RunSet | Run | Iterable[Run | str] | str) -> None:
        each = [chosen] if isinstance(chosen, (Run, str)) else chosen
        places = {run_id: place for place, run_id in enumerate(self._ids)}
        ids = [one.run_id if isinstance(one, Run) else one for one in each]
        for run_id in ids:
            if run_id not in places:
                raise InputError(f"the explorer has no run '{run_id}'{did_you_mean(str(run_id), places)}")
        self.table.chosen = sorted({places[run_id] for run_id in ids})

    @property
    def visible(self) -> RunSet:
        """The runs that pass the filters, as the page says; without one, all."""
        return self.runs if self.table.passing is None else self._at(self.table.passing)

    @property
    def filters(self) -> dict[str, str]:
        """What is asked of columns, such as ``{"input.qty": ">2", "status": "fail"}``; can be set, the page obeys."""
        return dict(self.table.filters)

    @filters.setter
    def filters(self, filters: Mapping[str, str]) -> None:
        self._known(filters)
        self.table.shown = [*self.table.shown, *(name for name in filters if name not in self.table.shown)]
        self.table.filters = dict(filters)

    @property
    def columns(self) -> list[str]:
        """The columns that are shown, of those of the runs frame; can be set."""
        return list(self.table.shown)

    @columns.setter
    def columns(self, names: Iterable[str]) -> None:
        self.table.shown = list(self._known(names))

    def _known(self, names: Iterable[str]) -> Sequence[str]:
        there = [column["name"] for column in self.table.columns]
        wanted = list(names)
        for name in wanted:
            if name not in there:
                raise InputError(f"the runs frame has no column '{name}'{did_you_mean(str(name), there)}")
        return wanted

    def wait(self, timeout: float | None = None) -> RunSet:
        """Wait until a sweep's runs are all in the table and all is painted; return the runs.

        Args:
            timeout: seconds to wait at most.

        Raises:
            TimeoutError: it takes longer; it goes on.
        """
        until = float("inf") if timeout is None else time.monotonic() + timeout
        while self._job is not None and not self._feeding.done():
            if time.monotonic() >= until:
                raise TimeoutError(f"the sweep has not ended within {timeout:g} s; it goes on")
            time.sleep(SLICE / 2)
        self._painter.wait(until)
        for widget in (self._heading, self._trouble, self._chosen, self._errors, self._plots.shown):
            widget.send_state("value")  # nbclient loses what changes after a cell has ended
        self._show_again(self._displays)
        self._displays = []
        return self.runs

    def close(self) -> None:
        """Close it with all that is in it, and look at the sweep no longer; the sweep goes on."""
        self._closed = True
        for widget in _inside(self):
            for part in (getattr(widget, "style", None), widget.layout):
                if part is not None:
                    part.close()
            if widget is not self:
                widget.close()
        super().close()

    def _at(self, rows: Iterable[int]) -> RunSet:
        wanted = [row for row in rows if 0 <= row < len(self._ids)]
        runs = self.runs
        if len(wanted) * 20 < len(runs):
            return RunSet(runs[row] for row in wanted)
        chosen = set(wanted)  # of runs in the history, all in a row come sooner than one by one
        return RunSet(run for row, run in enumerate(runs) if row in chosen)

    # --- from the page ---------------------------------------------------------------------------

    def _on_chosen(self, _: Any) -> None:
        self._stale.add(0)
        self._paint_open()

    def _on_passing(self, _: Any) -> None:
        self._stale |= {1, 2}
        self._paint_open()

    def _on_tab(self, _: Any) -> None:
        self._paint_open()

    # --- painting --------------------------------------------------------------------------------

    def _head(self) -> None:
        live = self._job.progress if self._job is not None else None
        self._heading.value = heading(self.runs, self._note, live)

    def _paint_open(self) -> None:
        pane = self._tabs.selected_index
        if pane in self._stale:
            self._paint(pane)

    def _paint(self, pane: int) -> None:
        self._stale.discard(pane)
        places: tuple[Any, ...] = (self._chosen, self._errors, self._plots.shown)
        paints: tuple[Callable[[], None], ...] = (self._paint_chosen, self._paint_errors, self._paint_plot)

        def paint() -> None:
            if not self._closed:
                with self._shown(places[pane]):
                    paints[pane]()

        self._painter.ask(str(pane), paint)

    def _paint_chosen(self) -> None:
        self._chosen.value = chosen_html(self.selected)

    def _paint_errors(self) -> None:
        self._errors.value = errors_html(self.visible)

    def _paint_plot(self) -> None:
        self._plots.paint(self.visible)

    @contextmanager
    def _shown(self, place: Any) -> Iterator[None]:
        """Show an exception in the page: out of a callback, it would end in some log."""
        try:
            yield
        except Exception as error:
            told = str(error) if isinstance(error, FgnbError) else f"{type(error).__name__}: {error}"
            place.value = alert(html.words(masked_text(told)))

    # --- a sweep under way -----------------------------------------------------------------------

    async def _feed(self, job: Job) -> None:
        """Take what has ended, until all has."""
        while not self._closed:
            done = job.done  # asked before: what ends after that is taken the next time
            with self._shown(self._trouble):
                room = MOST - len(self._ids)
                if room and len(runs := job.fresh(self._seen, room)):
                    self._take(runs)
                if len(self._ids) == MOST:
                    self._note = f"the first {MOST:,} runs that ended; all: job.runs"
                self._head()
            if done:
                break
            await asyncio.sleep(TICK)
        self._show_again(self._displays)  # so that what is saved is not what there was at the start

    def _show_again(self, displays: Sequence[Any]) -> None:
        for handle in displays:
            handle.update(self._bundle(), raw=True)

    def _take(self, runs: RunSet) -> None:
        frame = runs.frame
        settled = len(self._ids) >= SETTLED
        self._late += runs
        self._ids += list(frame.index)
        self.table.append(frame)
        if not settled and self.table.shown == self._own_columns:
            frame = self.runs.frame
            self._own_columns = self.table.shown = first_columns(frame)
            self._plots.offer(frame, self._own_columns)
        self._stale |= {1, 2}
        if self._tabs.selected_index != 0:
            self._paint_open()

    # --- shown -----------------------------------------------------------------------------------

    def _bundle(self) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_()
        return bundle | saved(self.runs, self._note)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return self._bundle()

    def _ipython_display_(self) -> None:
        """Show it so that what is saved can be made anew when its sweep has ended."""
        if self._job is None or self._feeding.done():
            raise NotImplementedError  # IPython then shows the MIME bundle
        from IPython.display import display

        self._displays.append(display(self._bundle(), raw=True, display_id=True))  # type: ignore[no-untyped-call]

    def __repr__(self) -> str:
        return f"<Explorer of {counted(len(self._ids), 'run')}, {len(self.table.chosen):,} selected>"


def _inside(widget: Any) -> Iterator[Any]:
    for child in getattr(widget, "children", ()):
        yield from _inside(child)
    yield widget
