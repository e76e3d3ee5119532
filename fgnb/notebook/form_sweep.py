"""A sweep from a form: which fields take several values, how many runs that makes, and how far they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import ipywidgets

from fgnb import wiring
from fgnb.counted import counted
from fgnb.errors import FgnbError, InputError, SweepStopped
from fgnb.notebook.controls import alert_line, line
from fgnb.notebook.fields.field import called
from fgnb.notebook.fields.leaf import Leaf
from fgnb.notebook.fields.looks import Looks
from fgnb.notebook.form_values import Grid, values_of
from fgnb.notebook.form_widgets import Once
from fgnb.paths import Path
from fgnb.render import html
from fgnb.render.progress import show as show_progress
from fgnb.runs.runset import RunSet

if TYPE_CHECKING:
    from fgnb.runs.job import Job

ASK = 200  # runs that are started without a question
CHECKED, AT_ONCE = 5000, 200  # inputs that are checked against the schema: before any is sent, at each edit
TICK = 0.25  # seconds between two looks at how far it is

_HELP = "several values: 1..50 step 5, or A, B, C, or a JSON list"


class Vary:
    """One field that takes several values."""

    def __init__(self, panel: SweepPanel, at: int) -> None:
        looks = panel.looks
        self.field = ipywidgets.Dropdown(
            options=[("choose a field", "")], value="", description="vary", tooltip="the field to vary",
            layout=looks.control, style=looks.vary.of("vary"),
        )  # fmt: skip
        self.values = ipywidgets.Textarea(
            rows=1, continuous_update=False, description="values", placeholder="1..50 step 5   or   A, B, C",
            layout=looks.control, style=looks.vary.of("values"), tooltip=_HELP,
        )  # fmt: skip
        self.remove = ipywidgets.Button(description="×", tooltip="vary this field no more", layout=looks.button)
        self.note = ipywidgets.HTML(layout=looks.note, style=looks.html)
        self.box = ipywidgets.HBox([self.field, self.values, self.remove, self.note], layout=looks.row)
        panel.listen(self.field, panel.on_field)
        panel.listen(self.values, panel.on_change)
        panel.listen(self.remove, called(panel.remove, at), None)


class SweepPanel:
    """Where the fields to vary are chosen; `form` gives the fields, the value and what starts a sweep.

    Args:
        looks: of the form.
        listen: makes a function hear of a control.
        leaves: returns the fields that can be varied, by name.
        base: returns the input that the rest comes from.
        check: returns what is wrong with an input, or None.
        start: starts a sweep over inputs.
        ready: returns why none can start, or None.
        silent: in which what changes is no edit.
    """

    title = "Sweep: many runs at once"

    def __init__(
        self,
        looks: Looks,
        listen: Callable[..., None],
        *,
        leaves: Callable[[], Mapping[str, Leaf]],
        base: Callable[[], dict[str, Any]],
        check: Callable[[Any], str | None],
        start: Callable[[Grid], None],
        ready: Callable[[], str | None],
        silent: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.looks, self.listen = looks, listen
        self._leaves, self._base, self._check, self._start, self._ready = leaves, base, check, start, ready
        self._silent = silent
        self._varied: list[Vary] = []
        self._count = 0
        self._asking = False
        self._once = Once()
        self._add = ipywidgets.Button(
            description="+ Vary a field", tooltip=f"let a field take {_HELP}", layout=looks.wide_button
        )
        self._go = ipywidgets.Button(description="Run all", layout=looks.wide_button)
        self._no = ipywidgets.Button(description="No", layout=looks.wide_button)
        self._told = ipywidgets.HTML(layout=looks.told, style=looks.html)
        self._buttons = ipywidgets.HBox([self._add, self._go, self._told], layout=looks.row)
        self.box = ipywidgets.VBox([self._buttons], layout=looks.column)
        listen(self._add, called(self.add), None)
        listen(self._go, called(self._on_go), None)
        listen(self._no, called(self._on_no), None)
        self.paint()

    # --- what the user does ----------------------------------------------------------------------

    def add(self) -> None:
        """Let one more field vary."""
        if self._count == len(self._varied):
            self._varied.append(Vary(self, self._count))
        vary = self._varied[self._count]
        with self._silent():
            vary.field.value, vary.values.value = "", ""
        self._count += 1
        self._asking = False
        self.paint()

    def remove(self, at: int) -> None:
        """Let a field vary no more; the ones behind it move up."""
        rows = [(vary.field.value, vary.values.value) for vary in self._varied[: self._count]]
        del rows[at]
        self._count = len(rows)
        for vary, (name, text) in zip(self._varied, rows, strict=False):
            with self._silent():
                self._offer(vary, name)
                vary.field.value, vary.values.value = name, text
        self._asking = False
        self.paint()

    def on_field(self, change: Any) -> None:
        """Begin with all choices of a field that has some."""
        field = self._leaves().get(change["new"])
        for vary in self._varied[: self._count]:
            if vary.field is change["owner"] and field is not None and not vary.values.value:
                texts = list(field.values)
                vary.values.value = (
                    ", ".join(texts) if all("," not in text and "\n" not in text for text in texts) else ""
                )
        self.on_change(change)

    def on_change(self, change: Any) -> None:
        """Count again."""
        self._asking = False
        self.paint()

    def _on_go(self) -> None:
        if not self._once.taken():  # a double click answers no question
            return
        grid = self.grid(CHECKED)
        if len(grid) > ASK and not self._asking:
            self._asking = True
            self.paint()
            return
        self._asking = False
        self._start(grid)
        self.paint()

    def _on_no(self) -> None:
        self._asking = False
        self.paint()

    # --- what it comes to ------------------------------------------------------------------------

    def grid(self, checked: int = AT_ONCE) -> Grid:
        """Return the inputs, of which so many are checked.

        Raises:
            InputError: a field's values can't be read, or an input is not valid.
        """
        leaves = self._leaves()
        values: dict[Path, list[Any]] = {}
        for vary in self._varied[: self._count]:
            field = leaves.get(vary.field.value)
            if field is None:
                raise InputError("which field is to vary?")
            if field.path in values:
                raise InputError(f"{field.name} is varied twice")
            values[field.path] = listed(field, vary.values.value)
        if not values:
            raise InputError("choose a field to vary")
        grid = Grid(self._base(), values)
        for number in range(min(checked, len(grid))):
            problem = self._check(grid[number])
            if problem is not None:
                raise InputError(f"input {number + 1:,} of {len(grid):,}: {problem}")
        return grid

    def widgets(self) -> list[Any]:
        """Return its widgets, those that are not on the page now, too."""
        return [*vars(self).values(), *map(vars, self._varied)]

    def _offer(self, vary: Vary, name: str) -> None:
        names = list(self._leaves())
        if name and name not in names:
            names.append(name)
        options = [("choose a field", ""), *((one, one) for one in names)]
        if list(vary.field.options) != options:
            vary.field.options = options
            vary.field.value = name  # which new options reset

    def paint(self) -> None:
        """Show the fields that vary, and how many runs that makes."""
        with self._silent():
            leaves = self._leaves() if self._count else {}
            for vary in self._varied[: self._count]:
                self._offer(vary, vary.field.value)
                vary.note.value = self._note(leaves.get(vary.field.value), vary.values.value)
            rows = [vary.box for vary in self._varied[: self._count]]
            if list(self.box.children) != [*rows, self._buttons]:
                self.box.children = (*rows, self._buttons)
            self._paint_buttons()

    def _paint_buttons(self) -> None:
        count, problem = 0, None
        try:
            count = len(self.grid()) if self._count else 0
        except InputError as error:
            problem = str(error).splitlines()[0]
        blocked = self._ready()
        self._go.disabled = not count or blocked is not None
        self._go.description = f"Run all {count:,}" if count else "Run all"
        if problem is not None:
            self._told.value = alert_line(problem)
        elif self._asking:
            self._told.value = alert_line(f"That starts {counted(count, 'run')}. Really?")
        else:
            told = blocked if count and blocked else counted(count, "run") if count else ""
            self._told.value = line(told or "", html.MUTED)
        inside = [self._add, self._go, *([self._no] if self._asking else []), self._told]
        if list(self._buttons.children) != inside:
            self._buttons.children = tuple(inside)

    def _note(self, field: Leaf | None, text: str) -> str:
        if field is None:
            return ""
        if not text.strip():
            return line(_HELP, html.MUTED)
        try:
            count = len(listed(field, text))
        except InputError as error:
            return alert_line(str(error).splitlines()[0])
        return line(counted(count, "value"), html.MUTED)


def listed(field: Leaf, text: str) -> list[Any]:
    """Return the values that a text lists for a field, each read as the field reads it. InputError if they can't be."""
    return values_of(text, field.read, numbers=field.reading in ("integer", "number", "any"))


def follow(job: Job, paint: Callable[[Mapping[str, str]], None]) -> tuple[RunSet, FgnbError | None]:
    """Wait for a sweep, with its progress painted; return its runs, and why it could not go on."""
    while not job.done:
        paint(show_progress(job.progress))
        time.sleep(TICK)
    paint(show_progress(job.progress))
    try:
        return job.wait(), None
    except SweepStopped as stopped:
        return stopped.runs, stopped
    except FgnbError as error:
        return job.runs, error


def explored(runs: RunSet) -> tuple[Mapping[str, Any], Any]:
    """Return how a sweep's runs are shown: as a MIME bundle, and the widget that explores them, if there is one."""
    if not len(runs):
        bundle: Mapping[str, Any] = wiring.call("show RunSet", runs)
        return bundle, None
    widget = wiring.call("explore", runs)
    return widget._repr_mimebundle_(), widget
