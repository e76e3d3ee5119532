"""Where a form shows what came of its runs: an output of its own below the form.

A saved notebook holds what a widget was when it was displayed, but the last state of an output. So the
card of a run stands beside the widgets, not in them, and is there to be read when the notebook is opened
again; only where nobody displayed the form, such as inside another widget, it stands in the form.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import ipywidgets

from fgnb.notebook.form_widgets import running_cell, widgets_in
from fgnb.notebook.progress import Cell
from fgnb.render import html

Bundle = Mapping[str, Any]
EMPTY: Bundle = {"text/plain": "", "text/html": ""}


class Outcome:
    """What came of the last run, wherever the form is displayed."""

    def __init__(self) -> None:
        self._html = ipywidgets.HTML()
        self.box = ipywidgets.VBox([self._html])
        self._bundle: Bundle = EMPTY
        self._handles: dict[Any, Cell] = {}  # by cell: what a cell showed is gone when it runs again
        self._widget: Any = None  # what explores the runs of a sweep
        self._lock = threading.Lock()

    @property
    def shown(self) -> str:
        """What is shown, as HTML."""
        found: str = self._bundle["text/html"]
        return found

    def show(self, bundle: Bundle, widget: Any = None) -> None:
        """Replace what is shown.

        Args:
            bundle: by MIME type.
            widget: what to show instead inside the form, where there is no output.
        """
        with self._lock:
            self._bundle = bundle
            before, self._widget = self._widget, widget
            handles = list(self._handles.values())
        if not handles:
            self._html.value = bundle["text/html"] if widget is None else ""
            self.box.children = (self._html,) if widget is None else (widget,)
        for handle in handles:
            handle.put(dict(bundle))
        _close(before)

    def close(self) -> None:
        """Let the widget go that it may show."""
        with self._lock:
            before, self._widget = self._widget, None
        _close(before)

    def display(self) -> None:
        """Show it in the cell that runs, from now on."""
        handle = Cell(dict(self._bundle))
        cell = running_cell()
        with self._lock:
            self._handles[cell[0] if cell is not None else handle] = handle
        self._html.value = ""
        self.box.children = (self._html,)


def _close(widget: Any) -> None:
    """Close a widget and all that is in it."""
    inside = list(widgets_in([widget]))
    for one in inside:
        one.close()


def heading(workflow: str, description: Any) -> str:
    """Return a form's heading as HTML."""
    text = html.muted(description) if isinstance(description, str) else ""
    return f'<div style="{html.FONT}">{html.strong(workflow)} &nbsp;{text}</div>'
