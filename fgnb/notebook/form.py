"""A form for a workflow's input, on ipywidgets' own controls: fill it, run it, read the result.

The form's one truth is its JSON value; the fields and the JSON tab are two views of it. An edit in
either changes the value, and the value repaints both. A text that can't be read stays where it was
typed, with the reason beside it; it leaves the value alone and keeps Run disabled until it is mended.

Callbacks come from the main thread or a subshell's, the end of a run from the client's loop: state
is changed under one lock, results reach the page as traits, and nothing here prints.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ipywidgets

from fgnb.counted import counted
from fgnb.errors import FgnbError, InputError
from fgnb.local.expressions import MISSING
from fgnb.notebook import form_code, form_outcome, jsonschema
from fgnb.notebook.comms import keep_order
from fgnb.notebook.controls import ERROR, alert_block, line
from fgnb.notebook.fields.compound import ObjectField, field_for
from fgnb.notebook.fields.field import Field
from fgnb.notebook.fields.leaf import Leaf
from fgnb.notebook.fields.looks import Looks
from fgnb.notebook.fields.whole import Others
from fgnb.notebook.form_again import make_room
from fgnb.notebook.form_checks import Checks
from fgnb.notebook.form_extras import Extras
from fgnb.notebook.form_static import as_html, as_text, primary_places
from fgnb.notebook.form_widgets import widgets_in
from fgnb.notebook.form_work import Work
from fgnb.notebook.hidden import Hidden
from fgnb.notebook.kernel import kernel_shell
from fgnb.notebook.node import initial
from fgnb.notebook.places import member, with_member
from fgnb.notebook.schema import shape_of
from fgnb.notebook.schema_history import earlier_inputs, with_samples
from fgnb.notebook.texts import read_input, written
from fgnb.notebook.validation import Validator
from fgnb.paths import Path
from fgnb.render import html
from fgnb.runs.run import Run
from fgnb.runs.runset import RunSet
from fgnb.session import Session
from fgnb.values import to_json


class Form(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """A form for the input of one workflow.

    An optional field has a switch: off, it is absent from the input, which is not the same as null. What
    the input holds besides the fields is shown as JSON, and kept.

    Args:
        session: where the workflow is and runs.
        workflow: its name or id.
        schema: a JSON Schema (a dict) or a pydantic model for the input, which is then checked against
            it. By default the fields are those that the definition reads, with what it says of them and
            what earlier inputs in the history were like; all of that only suggests.
        example: an input to begin with.

    Raises:
        WorkflowNotFound: no workflow has this name or id.
        InputError: the schema is not valid, or the example is no input.

    >>> import fgnb
    >>> form = fgnb.connect("local").form("order-triage", example={"sku": "A-100"})
    >>> form.value = {**form.value, "qty": 3}
    >>> form.submit()
    >>> form.wait().output["total"]
    149.7
    """

    def __init__(self, session: Session, workflow: str, *, schema: Any = None, example: Any = None) -> None:
        definition = session.workflow(workflow).definition
        given = None if example is None else _input(example)
        validator: Validator | None = None
        if schema is not None:
            binding = jsonschema.schema_of(schema)
            validator = Validator(binding)
            self.node = jsonschema.node_of(binding)
        else:
            samples = [*([given] if given else []), *earlier_inputs(session, workflow)]
            self.node = with_samples(shape_of(definition), samples)
        self._workflow = workflow
        self._lock = threading.RLock()
        self._painting = False
        self.looks = Looks()
        self.hidden = Hidden()
        self.fields: list[Field] = []
        start = initial(self.node) if validator is not None else MISSING
        self._value: dict[str, Any] = given if given is not None else start if isinstance(start, dict) else {}
        self.root = field_for(self, self.node, None, "", required=True)
        self.checks = Checks(self.root, validator, lambda: self._extras.problems())
        self._make_json()
        self._extras = Extras(self.looks, self.hidden, self.listen, self._paint_buttons)
        self._trouble = ipywidgets.HTML(style=self.looks.html)
        self._outcome = form_outcome.Outcome()
        self._work = Work(self, session, workflow, self._outcome, self._extras)
        more = ipywidgets.Accordion(
            [self._extras.box, self._work.panel.box], titles=[self._extras.title, self._work.panel.title]
        )
        heading = ipywidgets.HTML(form_outcome.heading(workflow, definition.get("description")), style=self.looks.html)
        parts = [heading, self._tabs(), more, self._work.buttons, self._trouble, self._work.last.box, self._outcome.box]
        super().__init__(parts, layout={"max_width": "960px", "min_width": "0"})
        self._changed(fresh=True)
        make_room(self, workflow)

    def _make_json(self) -> None:
        self._json = ipywidgets.Textarea(
            rows=12, layout={"width": "auto"}, continuous_update=False, tooltip="the input as JSON"
        )
        self._json_note = ipywidgets.HTML(style=self.looks.html)
        self._restore = ipywidgets.Button(
            description="Back to the last valid input", layout={"width": "auto", "align_self": "flex-start"}
        )
        self._code = ipywidgets.HTML(style=self.looks.html)
        self.listen(self._json, self._on_json)
        self.listen(self._restore, lambda _: self._fill(self._value), None)

    def _tabs(self) -> Any:
        fields = [self.root.box]
        if not self.node.parts and self.node.kind != "json":
            told = line("The definition names no field: write the input as JSON.", html.MUTED)
            fields.insert(0, ipywidgets.HTML(told, style=self.looks.html))
        json_tab = ipywidgets.VBox([self._json, self._json_note, self._restore], layout=self.looks.column)
        self._tab = ipywidgets.Tab(
            [ipywidgets.VBox(fields, layout=self.looks.column), json_tab, self._code],
            titles=["Fields", "Raw JSON", "As code"],
            selected_index=0 if self.node.parts else 1,
        )
        self.listen(self._tab, lambda _: self._paint_code(), "selected_index")
        return self._tab

    # --- for code --------------------------------------------------------------------------------

    @property
    def value(self) -> dict[str, Any]:
        """The input as a JSON value, secrets and all; setting it fills the form. Can be observed."""
        return copy.deepcopy(self._value)

    @value.setter
    def value(self, value: Any) -> None:
        self._fill(_input(value))

    @property
    def headers(self) -> dict[str, str]:
        """What goes with a run besides its input; setting it fills the form."""
        return self._extras.headers

    @headers.setter
    def headers(self, headers: Mapping[str, str]) -> None:
        with self.silent():
            self._extras.set(dict(headers), self._extras.tags)
        self._paint_code()

    @property
    def tags(self) -> dict[str, Any]:
        """What a run is called; setting it fills the form."""
        return self._extras.tags

    @tags.setter
    def tags(self, tags: Mapping[str, Any]) -> None:
        with self.silent():
            self._extras.set(self._extras.headers, dict(tags))
        self._paint_code()

    @property
    def run(self) -> Run | None:
        """The single run that ended last, or None. Can be observed."""
        return self._work.run

    @property
    def runs(self) -> RunSet:
        """All runs of this form that ended, those of sweeps too, the latest last. Can be observed."""
        return self._work.runs

    @property
    def problems(self) -> list[str]:
        """What has to be mended before the form can run, a line each."""
        with self._lock:
            return [f"{name}: {told}" for name, told in self.checks.all()]

    def submit(self) -> None:
        """Start a run with the input, as the button does; while one is under way, do nothing.

        Raises:
            InputError: something has to be mended first.
        """
        self._work.submit()

    def sweep(self, vary: Mapping[str, Any] | None = None) -> None:
        """Start a run for each combination of values, as the button does; while one is under way, do nothing.

        Args:
            vary: for each field that varies, by its path, a list of values or a text such as ``"1..50 step 5"``;
                the rest is the form's input. By default, what is chosen in the form.

        Raises:
            InputError: something has to be mended first.
        """
        self._work.sweep(vary)

    def cancel(self) -> None:
        """Give up what is under way: a run ends at once, its outcome perhaps unknown.

        Of a sweep, no further input is sent; called again, what is under way is given up, too.
        """
        self._work.cancel()

    def wait(self, timeout: float | None = None) -> Run | RunSet:
        """Return the run or the sweep's runs when what is under way has ended; if nothing is, the last at once.

        Args:
            timeout: seconds to wait at most.

        Raises:
            TimeoutError: it takes longer; it goes on.
            FgnbError: nothing was submitted yet, or the submission came to nothing.
        """
        return self._work.wait(timeout)

    def close(self) -> None:
        """Take the form off the page and let its widgets go; its value and runs stay."""
        if not hasattr(self, "_work"):  # it was never made, since an argument was wrong
            return
        with self._lock:
            fields, self.fields = self.fields, []
            inside = [self, *(one for field in fields for one in vars(field).values()), *self._work.widgets()]
            self._outcome.close()
            for widget in widgets_in([*inside, *vars(self.looks).values()]):
                if widget is not self:
                    widget.close()
        super().close()

    # --- for the fields --------------------------------------------------------------------------

    def current(self, path: Path) -> Any:
        """Return what stands at a place; MISSING if nothing does."""
        return member(self._value, path)

    def edited(self, path: Path, new: Any) -> None:
        """Take a new value at a place; MISSING takes away what is there, and of the whole input all that is in it."""
        value = with_member(self._value, path, {} if new is MISSING and not path else new)
        if not isinstance(value, dict):
            raise InputError("the input must be a JSON object")
        self._value = value
        self._changed(fresh=False)

    def drafted(self) -> None:
        """Take notice that a text was typed that can't be read."""
        self._paint_notes()

    def listen(self, widget: Any, call: Any, trait: str | None = "value") -> None:
        """Have `call` hear of a control's changes, or clicks, that the form has not made itself."""

        def heard(change: Any) -> None:
            with self.shown_errors(), self._lock:
                if not self._painting:
                    self._trouble.value = ""
                    call(change)

        keep_order(widget)
        if trait is None:
            widget.on_click(heard)
        else:
            widget.observe(heard, trait)

    # --- the value and what shows it -------------------------------------------------------------

    def _on_json(self, change: Mapping[str, Any]) -> None:
        try:
            self._fill(self.hidden.real(read_input(change["new"])))
        except InputError as error:
            self.checks.json = error
            self._changed(fresh=False)

    def _fill(self, value: dict[str, Any]) -> None:
        with self._lock:
            self._value = value
            self.checks.json = None
            self._changed(fresh=True)
            more = self.root.more if isinstance(self.root, ObjectField) else None
            if more is not None and primary_places(self.node, value):
                more.selected_index = 0

    def refill(self, run: Run) -> None:
        """Take a run's input, headers and tags back into the form."""
        with self.silent():
            self._extras.set(dict(run.headers), dict(run.tags))
        self._fill(_input(run.input))

    def _changed(self, *, fresh: bool) -> None:
        """Show the value in all views, and tell those who observe it."""
        shown = self.hidden.shown(self._value)
        with self.silent():
            disabled = self.checks.json is not None
            self.root.paint(shown, fresh=fresh, disabled=disabled)
            if not disabled:
                self._json.value = written(shown, indent=2)
            self._json_note.value = alert_block(str(self.checks.json)) if disabled else ""
            self._restore.layout.display = None if disabled else "none"
        self._paint_notes()
        self._paint_code()
        before, self._told = getattr(self, "_told", None), self._value
        if before is not self._told:
            self.tell("value", before, self.value)

    def tell(self, name: str, old: Any, new: Any) -> None:
        """Tell those who observe a property that it has changed."""
        self.notify_change({"name": name, "old": old, "new": new, "owner": self, "type": "change"})

    def _paint_notes(self) -> None:
        with self.silent():
            self.checks.paint(self._value)
        self._paint_buttons()

    def blocked(self) -> str | None:
        """Return why the form can't run, on one line, or None."""
        return self.checks.told()

    def _paint_buttons(self) -> None:
        with self.silent():
            self._work.paint()

    def _paint_code(self) -> None:
        if self._tab.selected_index == 2:
            with self.silent():
                self._code.value = form_code.as_html(
                    self._workflow, self.hidden.shown(self._value), *self._extras.shown()
                )

    def leaves(self) -> dict[str, Leaf]:
        """Return the fields that hold values, by their names."""
        return {
            field.name: field
            for field in self.root.everything()
            if isinstance(field, Leaf) and not isinstance(field, Others)
        }

    @property
    def lock(self) -> threading.RLock:
        """What is held while the state changes."""
        return self._lock

    def status(self, text: str, *, error: bool = False) -> str:
        """Return a line beside the buttons as HTML."""
        return line(text, ERROR if error else html.MUTED)

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Hold the lock; what changes meanwhile is no edit."""
        with self._lock:
            before, self._painting = self._painting, True
            try:
                yield
            finally:
                self._painting = before

    @contextmanager
    def shown_errors(self) -> Iterator[None]:
        """Show an exception in the form: out of a callback, it would end in some log."""
        try:
            yield
        except Exception as error:
            told = str(error) if isinstance(error, FgnbError) else f"{type(error).__name__}: {error}"
            self._trouble.value = alert_block(told)

    # --- displayed -------------------------------------------------------------------------------

    def _ipython_display_(self, **kwargs: Any) -> None:
        from IPython.display import display

        display(self._repr_mimebundle_(), raw=True)  # type: ignore[no-untyped-call]
        if kernel_shell() is not None:
            self._outcome.display()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(include=include, exclude=exclude) or {}
        name, shown = self._workflow, self.hidden.shown(self._value)
        own = {"text/plain": as_text(name, self.node, shown), "text/html": as_html(name, self.node, shown)}
        return {**bundle, **own}

    def __repr__(self) -> str:
        return f"<Form of {self._workflow}: {counted(len(self.leaves()), 'field')}, {counted(len(self.runs), 'run')}>"


def _input(value: Any) -> dict[str, Any]:
    """Return an input as a fresh JSON object, such that the JSON tab can hold it."""
    new = to_json({} if value is None else value, root="input")
    return read_input(written(new))
