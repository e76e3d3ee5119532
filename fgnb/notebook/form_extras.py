"""What goes with a run besides its input: headers and tags, a line each, folded away until they are needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets

from fgnb import jsontext
from fgnb.errors import InputError
from fgnb.notebook.controls import alert_line, line
from fgnb.notebook.fields.looks import Labels, Looks
from fgnb.notebook.hidden import Hidden
from fgnb.notebook.texts import show
from fgnb.render import html

Listen = Callable[[Any, Callable[..., None]], None]

_HELP = "One a line, such as  {example}"


class Lines:
    """Names and values, a line each: ``name: value``.

    Args:
        label: what they are.
        example: a line.
        typed: whether a value is JSON where it can be; else it is always text.
    """

    def __init__(self, label: str, example: str, looks: Looks, hidden: Hidden, *, typed: bool) -> None:
        self.label = label
        self.values: dict[str, Any] = {}
        self.problem: InputError | None = None
        self._hidden = hidden
        self._typed = typed
        self._help = line(_HELP.format(example=example), html.MUTED)
        self.control = ipywidgets.Textarea(
            description=label, rows=2, continuous_update=False, layout=looks.control, style=Labels([label]).of(label),
            tooltip=f"{label}: {_HELP.format(example=example)}",
        )  # fmt: skip
        self._note = ipywidgets.HTML(value=self._help, layout=looks.note, style=looks.html)
        self.box = ipywidgets.HBox([self.control, self._note], layout=looks.row)

    def take(self, text: str) -> None:
        """Read what was written; what can't be read stays as it is, with the reason."""
        try:
            self.values = self._read(text)
            self.problem = None
        except InputError as error:
            self.problem = error
        self.paint()

    def set(self, values: dict[str, Any]) -> None:
        """Replace all of them."""
        self.values, self.problem = dict(values), None
        self.paint()

    def paint(self) -> None:
        """Show them, secrets as marks."""
        if self.problem is None:
            self.control.value = "\n".join(f"{name}: {self._text(one)}" for name, one in self.shown().items())
        self._note.value = self._help if self.problem is None else alert_line(str(self.problem))

    def shown(self) -> dict[str, Any]:
        """Return them as they may be shown."""
        found: dict[str, Any] = self._hidden.shown(self.values)
        return found

    def _text(self, value: Any) -> str:
        return show("any" if self._typed else "text", value).replace("\n", "\\n")

    def _read(self, text: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for number, one in enumerate(text.split("\n"), start=1):
            name, colon, value = (part.strip() for part in one.partition(":"))
            if not one.strip():
                continue
            if not colon or not name:
                raise InputError(f"{self.label}, line {number}: write  name: value")
            if name in found:
                raise InputError(f"{self.label}, line {number}: '{name}' is there twice")
            found[name] = self._value(value)
        return found

    def _value(self, text: str) -> Any:
        if self._hidden.is_mark(text):
            return self._hidden.real(text)
        if not self._typed:
            return text
        try:
            return jsontext.loads(text)
        except InputError:
            return text


class Extras:
    """Headers and tags of the runs of a form."""

    title = "Headers and tags"

    def __init__(self, looks: Looks, hidden: Hidden, listen: Listen, changed: Callable[[], None]) -> None:
        self._headers = Lines("headers", "X-Trace: 7", looks, hidden, typed=False)
        self._tags = Lines("tags", "try: 1", looks, hidden, typed=True)
        self.box = ipywidgets.VBox([self._headers.box, self._tags.box], layout=looks.column)

        def heard(lines: Lines) -> Callable[[Any], None]:
            def take(change: Any) -> None:
                lines.take(change["new"])
                changed()

            return take

        for lines in (self._headers, self._tags):
            listen(lines.control, heard(lines))

    @property
    def headers(self) -> dict[str, str]:
        """The headers, as they are sent."""
        return dict(self._headers.values)

    @property
    def tags(self) -> dict[str, Any]:
        """The tags."""
        return dict(self._tags.values)

    def shown(self) -> tuple[dict[str, str], dict[str, Any]]:
        """Return both as they may be shown."""
        return self._headers.shown(), self._tags.shown()

    def set(self, headers: dict[str, str], tags: dict[str, Any]) -> None:
        """Replace both."""
        self._headers.set(headers)
        self._tags.set(tags)

    def problems(self) -> list[str]:
        """Return the names of those that can't be read."""
        return [lines.label for lines in (self._headers, self._tags) if lines.problem is not None]
