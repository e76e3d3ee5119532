"""The rows of a form: a field's control with a note beside it; and the fields without any widget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ipywidgets
from ipywidgets.widgets.widget_string import TextStyle
from rich.cells import cell_len

from fgnb.errors import InputError
from fgnb.local.expressions import MISSING
from fgnb.notebook import schema
from fgnb.notebook.schema import Field, Kind
from fgnb.render import html
from fgnb.render.text import columns
from fgnb.visible import visible

LATER = "More: usually filled by earlier steps"
LONGEST_LABEL = 36  # columns; a longer label is not aligned with the others, but never cut
MAX_ROWS, ROW = 8, 60  # of a control: rows that it grows to, columns that a row has at least
ERROR = "color:var(--jp-error-color1,#d93f3f)"

_MEANING: dict[Kind, str] = {
    "text": 'text, exactly as written; a JSON string in double quotes is that string, "" the empty text',
    "integer": "an integer of any size",
    "number": "a number",
    "boolean": "true or false",
    "json": "a JSON value",
    "any": "a JSON value, or else text; in double quotes it is always text",
}


class Row:
    """A field's control, whose value is always a text, and the note beside it.

    `problem` says why that text can't be read; while it is set, the text is left as it is.
    """

    def __init__(self, field: Field, control: Any, note: Any) -> None:
        self.field = field
        self.problem: InputError | None = None
        self.control = control
        self.note = note
        self.box = ipywidgets.HBox([control, note])

    def paint(self, value: dict[str, Any], *, disabled: bool) -> None:
        """Show what an input holds at this field's place."""
        found = schema.member(value, self.field.path)
        if self.problem is None:
            text = schema.show(self.field.kind, found)
            if isinstance(self.control, ipywidgets.Dropdown):
                self._offer(text)
            else:
                self.control.rows = _height(text)
            self.control.value = text
            self.note.value = line(_remark(self.field, found), html.MUTED)
        else:
            self.note.value = alert(html.span(str(self.problem).splitlines()[0], html.FONT))
        self.control.disabled = disabled

    def _offer(self, text: str) -> None:
        """Make a text one of the choices: the JSON may hold something else than true or false."""
        choices = _choices(self.field)
        if text not in dict(choices).values():
            choices.append((text, text))
        if list(self.control.options) != choices:
            self.control.options = choices


def rows(fields: Sequence[Field]) -> list[Row]:
    """Return a row for every field; they share their layouts and styles, each of which is a model."""
    widths = [cell_len(field.label) for field in fields]
    longest = max((width for width in widths if width <= LONGEST_LABEL), default=0)
    aligned = TextStyle(description_width=f"{longest + 2}ch")
    own_width = TextStyle(description_width="initial")
    control_layout = ipywidgets.Layout(width="62%", flex="0 0 auto")
    note_layout = ipywidgets.Layout(flex="1 1 0", min_width="0")
    return [
        Row(
            field,
            _control(field, layout=control_layout, style=aligned if width <= LONGEST_LABEL else own_width),
            ipywidgets.HTML(layout=note_layout),
        )
        for field, width in zip(fields, widths, strict=True)
    ]


def _control(field: Field, **looks: Any) -> Any:
    looks |= {"description": field.label, "tooltip": f"{field.label}: {_MEANING[field.kind]}. {_if_empty(field)}"}
    if field.kind == "boolean":
        return ipywidgets.Dropdown(options=_choices(field), value="", **looks)
    # Not a one-line control: a browser silently joins the lines of a text that is pasted into one
    placeholder = schema.show(field.kind, field.default)
    return ipywidgets.Textarea(placeholder=placeholder, continuous_update=False, rows=1, **looks)


def _choices(field: Field) -> list[tuple[str, str]]:
    default = f"default: {schema.written(field.default)}" if field.has_default else ""
    return [(default, ""), ("true", "true"), ("false", "false")]


def _height(text: str) -> int:
    """Return the rows that a text needs, within reason."""
    return min(MAX_ROWS, sum(1 + cell_len(one[: MAX_ROWS * ROW]) // ROW for one in text.split("\n")[:MAX_ROWS]))


def _if_empty(field: Field) -> str:
    taken = f"; the workflow then takes {schema.written(field.default)}" if field.has_default else ""
    return f"Empty: left out{taken}."


def _remark(field: Field, value: Any) -> str:
    """Return how a value is understood, where that is not plain from the field."""
    if value is MISSING:
        return ""
    kind = schema.json_type(value)
    if not schema.fits(field.kind, value):
        return f"{kind}, unlike the default ({schema.json_type(field.default)})"
    if field.kind != "any":
        return ""
    return "text, since it is not JSON" if kind == "text" and value[:1] in ("{", "[") else kind


def line(text: str, style: str) -> str:
    """Return one line of text as the HTML of a note; nothing if it is empty."""
    return html.span(text, f"{html.FONT};{style}") if text else ""


def alert(content: str) -> str:
    """Return an error (HTML) so that it stands out, and a screen reader says it at once."""
    return f'<span role="alert" style="{ERROR}">{content}</span>'


# --- without widgets -----------------------------------------------------------------------------


def as_text(name: str, fields: Sequence[Field], value: dict[str, Any]) -> str:
    """Return the fields and a JSON template as plain text, for a terminal."""
    parts = [f"{name}: the input's fields"]
    parts += columns([_cells(field) for field in fields if field.primary], indent="  ")
    if later := [_cells(field) for field in fields if not field.primary]:
        parts += [LATER, *columns(later, indent="  ")]
    title, shown = _input(fields, value)
    return "\n".join([*parts, title, *(f"  {visible(text)}" for text in shown.splitlines())])


def as_html(name: str, fields: Sequence[Field], value: dict[str, Any]) -> str:
    """Return the same as HTML, for a saved notebook."""
    parts = [html.span(name, "font-weight:600")]
    for title, primary in (("fields", True), (LATER, False)):
        cells = [[html.escape(cell) for cell in _cells(field)] for field in fields if field.primary == primary]
        if cells:
            parts.append(html.section(title, html.table(cells)))
    title, shown = _input(fields, value)
    parts.append(html.section(title, html.preformatted(shown)))
    return html.frame_box("".join(parts), html.OTHER_COLOUR)


def _input(fields: Sequence[Field], value: dict[str, Any]) -> tuple[str, str]:
    """Return the form's input; while it is empty, a template of one."""
    if value:
        return "the input", schema.written(value, indent=2)
    return "an input to start from", schema.written(schema.template(fields, value), indent=2)


def _cells(field: Field) -> tuple[str, str, str]:
    default = f"default {schema.written(field.default)}" if field.has_default else ""
    return field.label, "text or JSON" if field.kind == "any" else field.kind, default
