"""How a form's widgets look: layouts and styles that they share, since each is a model of its own in the page."""

from __future__ import annotations

from collections.abc import Iterable

import ipywidgets
from ipywidgets.widgets.widget_bool import CheckboxStyle
from ipywidgets.widgets.widget_string import HTMLStyle, TextStyle
from rich.cells import cell_len

LONGEST_LABEL = 20  # columns


class Labels:
    """Styles that align the controls behind labels; a label that is longer than most is not aligned, but never cut."""

    def __init__(self, labels: Iterable[str]) -> None:
        widths = [cell_len(label) for label in labels]
        self._width = max((width for width in widths if width <= LONGEST_LABEL), default=2)
        self._styles: dict[str, TextStyle] = {}

    def of(self, label: str) -> TextStyle:
        """Return the style for a label."""
        width = f"{self._width + 1}ch" if cell_len(label) <= self._width else "initial"
        if width not in self._styles:
            self._styles[width] = TextStyle(description_width=width)
        return self._styles[width]


class Looks:
    """Layouts and styles of one form: they are closed with it."""

    def __init__(self) -> None:
        layout = ipywidgets.Layout
        # Fields wrap: in a narrow panel the note stands below its control
        self.row = layout(flex_flow="row wrap", align_items="flex-start", width="100%", min_width="0")
        self.control = layout(flex="1 1 180px", width="auto", min_width="0", max_width="440px")
        self.note = layout(flex="1 1 200px", width="auto", min_width="0", margin="4px 0 2px 6px")
        self.switch = layout(width="22px", min_width="22px", margin="2px 0 2px 2px", overflow="hidden")
        self.gap = layout(width="24px", min_width="24px")
        self.column = layout(width="100%", min_width="0", overflow="visible")
        self.inside = layout(
            width="auto", min_width="0", margin="0 0 4px 9px", padding="0 0 0 9px", overflow="visible",
            border_left="2px solid rgba(128,128,128,.25)",
        )  # fmt: skip
        self.button = layout(width="auto", min_width="30px", padding="0 8px", flex="0 0 auto")
        self.wide_button = layout(width="auto", min_width="0", flex="0 0 auto")
        self.title = layout(flex="0 1 auto", width="auto", min_width="0")
        self.rest = layout(flex="1 1 0", width="auto", min_width="0")
        self.told = layout(flex="1 1 180px", width="auto", min_width="0", margin="4px 0 2px 6px")
        self.buttons = layout(flex="0 0 auto", width="auto", overflow="visible")
        self.hidden = layout(display="none")
        self.html = HTMLStyle()
        self.check = CheckboxStyle(description_width="0px")
        self.positions = Labels(["[00]"])  # of a list's items
        self.vary = Labels(["values"])
