"""A field whose value is written as a text, or chosen: texts, numbers, choices, raw JSON."""

from __future__ import annotations

from typing import Any

import ipywidgets
from ipywidgets.widgets.widget_selection import Dropdown
from ipywidgets.widgets.widget_string import TextStyle
from rich.cells import cell_len

from fgnb.errors import InputError
from fgnb.local.expressions import MISSING
from fgnb.notebook.controls import line
from fgnb.notebook.fields.field import NEVER, Field, Owner
from fgnb.notebook.node import Node
from fgnb.notebook.texts import Reading, fits, json_type, read, reading, show, written
from fgnb.paths import Path
from fgnb.render import html
from fgnb.runs.redact import is_secret

MAX_ROWS, ROW = 8, 60  # of a control: rows that it grows to, columns that a row has at least

_MEANING: dict[Reading, str] = {
    "text": 'text, exactly as written; a JSON string in double quotes is that string, "" the empty text',
    "integer": "an integer of any size",
    "number": "a number",
    "boolean": "true or false",
    "json": "a JSON value",
    "any": "a JSON value, or else text; in double quotes it is always text",
}


class Leaf(Field):
    """A field with one control, whose value is always a text.

    `draft` says why the text can't be read; while it is set, the text is left as it was typed.
    """

    def __init__(
        self, owner: Owner, node: Node, parent: Field | None, key: str | int, *, required: bool, style: TextStyle
    ) -> None:
        super().__init__(owner, node, parent, key, required=required)
        self.draft: InputError | None = None
        self.reading: Reading = reading(node)
        self.values: dict[str, Any] = {}  # of a choice, by their texts
        self.control = self._control(style)
        owner.listen(self.control, self._on_text)
        self.null: Any = None
        widgets = [self.make_switch(), self.control]
        if node.nullable and self.reading == "text" and node.kind != "choice":
            self.null = self.make_null()
            widgets.append(self.null)
        if told := self.note_html():
            widgets.append(self.make_note(told))
        self.box = ipywidgets.HBox([one for one in widgets if one is not None], layout=owner.looks.row)

    def _control(self, style: TextStyle) -> Any:
        node = self.node
        looks = {"description": self.label, "layout": self.owner.looks.control, "style": style}
        if node.kind == "choice" or (node.kind == "boolean"):
            choices = node.choices if node.kind == "choice" else (True, False, *([None] if node.nullable else []))
            labels = node.labels or tuple(_choice_name(value, choices) for value in choices)
            self.values = dict(zip(labels, choices, strict=True))
            looks["tooltip"] = f"{self.name}: {_if_empty(node)}"
            return Dropdown(options=self._options(""), value="", **looks)
        looks["tooltip"] = f"{self.name}: {_MEANING[self.reading]}. {_if_empty(node)}"
        placeholder = show(self.reading, node.default).split("\n")[0]
        looks |= {"placeholder": placeholder, "continuous_update": False}
        offered = [show(self.reading, value) for value in node.examples if not is_secret(str(self.key))]
        if offered and all("\n" not in text for text in offered):
            return ipywidgets.Combobox(options=offered, **looks)
        # Not a one-line control: a browser silently joins the lines of a text that is pasted into one
        return ipywidgets.Textarea(rows=1, **looks)

    def _options(self, other: str) -> list[tuple[str, str]]:
        """Return what can be chosen; `other` is what the value is although it is no choice."""
        default = f"default: {written(self.node.default)}" if self.node.has_default and not self.node.strict else ""
        options = [(default, ""), *((label, label) for label in self.values)]
        return [*options, (other, other)] if other and other not in self.values else options

    # --- what the user does ----------------------------------------------------------------------

    def _on_text(self, change: Any) -> None:
        try:
            new = self.read(change["new"])
            self.draft = None
            if new is not MISSING or self.required or self.shown is not MISSING:
                self.put(new)
            else:
                self._drafted(None)
        except InputError as error:
            self._drafted(error)

    def _drafted(self, error: InputError | None) -> None:
        self.draft = error
        self.paint_switch(self.shown is not MISSING or error is not None, disabled=self.control.disabled)
        self.owner.drafted()

    def read(self, text: str) -> Any:
        """Return what a text means here; MISSING if it is empty. InputError if it means nothing."""
        hidden = self.owner.hidden
        if hidden.is_mark(text.strip()):
            return hidden.real(text.strip())
        if self.values and text in self.values:
            return self.values[text]
        return hidden.real(read("any" if self.values else self.reading, text, nullable=self.node.nullable))

    def put(self, new: Any) -> None:
        """Make a value the form's."""
        if new is MISSING and isinstance(self.key, int):  # an item is there as long as it is not removed
            if self.reading != "text":
                raise InputError("empty: write a value, or remove the item")
            new = ""
        self.edit(new)

    def turn_on(self) -> None:
        """Give the input this member: its default or its only value; else it has to be written."""
        if self.node.has_default:
            self.put(self.node.default)
        elif self.node.kind == "choice" and len(self.node.choices) == 1:
            self.put(self.node.choices[0])
        elif self.reading == "text":
            self.put("")
        else:
            self._drafted(InputError(f"empty: {'choose' if self.values else 'write'} a value, or switch it off"))

    def turn_off(self) -> None:
        """Take the member away, and what was typed."""
        self.draft = None
        self.put(MISSING)

    def on_null(self, change: Any) -> None:
        """Make it null, or no longer."""
        self.draft = None
        self.put(None if change["new"] else "" if self.required else MISSING)

    # --- what the user sees ----------------------------------------------------------------------

    def paint(self, found: Any, *, fresh: bool, disabled: bool) -> None:
        """Show a value; a text that can't be read stays."""
        if fresh:
            self.draft = None
        self.shown = found
        if self.draft is None:
            self._paint_text(found)
        self.control.disabled = disabled
        if self.null is not None:
            self.null.value = found is None and self.draft is None
            self.null.disabled = disabled
        self.paint_switch(found is not MISSING or self.draft is not None, disabled=disabled)

    def _paint_text(self, found: Any) -> None:
        if isinstance(self.control, Dropdown):
            text = self._choice(found)
            options = self._options(text)
            if list(self.control.options) != options:
                self.control.options = options
        else:
            text = self._text(found)
            if isinstance(self.control, ipywidgets.Textarea):
                self.control.rows = _height(text)
        self.control.value = text

    def _text(self, found: Any) -> str:
        if self.null is not None and found is None:
            return ""
        if found == "" and self.reading == "text" and (self.switch is not None or isinstance(self.key, int)):
            return ""  # the switch, or the place in the list, says that it is there
        text = show(self.reading, found)
        return written(found) if "\n" in text and isinstance(self.control, ipywidgets.Combobox) else text

    def _choice(self, found: Any) -> str:
        for text, value in self.values.items():
            if type(value) is type(found) and value == found:
                return text
        return "" if found is MISSING else show("any", found)

    def note_html(self) -> str:
        """Return help, hints and how the value is understood."""
        known = [self.node.help, *self.node.hints]
        if self.node.has_default and isinstance(self.control, Dropdown) and self.node.strict:
            known.append(f"default {written(self.node.default)}")
        remark = "" if self.draft is not None or self.issues else self._remark()
        return line("; ".join(one for one in (remark, *known) if one), html.MUTED)

    def _remark(self) -> str:
        """Return how the value is understood, where that is not plain from the field."""
        value = self.shown
        if value is MISSING or value is NEVER or self.values:
            return ""
        if value == "" and self.reading == "text":
            return "the empty text"
        kind = json_type(value)
        if self.node.kind not in ("any", "json") and not fits(self.node.kind, value):
            if value is None:
                return "" if self.null is not None else "null"
            told = "the default" if self.node.has_default else "what is usual"
            return kind if self.node.strict else f"{kind}, unlike {told} ({self.node.kind})"
        if self.node.kind != "any":
            return ""
        return "text, since it is not JSON" if kind == "text" and value[:1] in ("{", "[") else kind

    def problem(self) -> InputError | None:
        """Return why the text can't be read."""
        return self.draft

    def drafts(self) -> dict[Path, tuple[str, InputError]]:
        """Return the text that can't be read."""
        return {} if self.draft is None else {(): (self.control.value, self.draft)}

    def set_drafts(self, drafts: dict[Path, tuple[str, InputError]]) -> None:
        """Show a text that can't be read, or none."""
        text, self.draft = drafts.get((), ("", None))
        if self.draft is None:
            self._paint_text(self.shown)
        else:
            self.control.value = text


def _choice_name(value: Any, choices: tuple[Any, ...]) -> str:
    """Return what to call a choice: a text as it is, unless that is what another one is called."""
    if not isinstance(value, str):
        return written(value)
    others = {written(one) for one in choices if not isinstance(one, str)}
    return written(value) if value in others or not value.strip() or value != value.strip() else value


def _height(text: str) -> int:
    """Return the rows that a text needs, within reason."""
    return min(MAX_ROWS, sum(1 + cell_len(one[: MAX_ROWS * ROW]) // ROW for one in text.split("\n")[:MAX_ROWS]))


def _if_empty(node: Node) -> str:
    taken = f"; {written(node.default)[:200]} is then taken" if node.has_default and not node.strict else ""
    return f"Empty: left out{taken}."
