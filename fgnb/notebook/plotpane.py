"""Plots of runs with their choices beside them, as a pane of the explorer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ipywidgets

from fgnb.notebook.comms import keep_order
from fgnb.render import html
from fgnb.render.explorer import plot_alt
from fgnb.render.picture import plot_html
from fgnb.runs.runset import RunSet

if TYPE_CHECKING:
    import pandas as pd

STATUS = "status"


@dataclass(frozen=True, slots=True)
class _Plot:
    """A kind of plot: what its choices are called, empty if it has none, and how it is drawn."""

    across: str
    up: str
    draw: Callable[[RunSet, str, str, Any], object]


def _by(column: str) -> str | None:
    return None if column == STATUS else column  # plots tell statuses apart by more than colour, if not asked to


_PLOTS = {
    "Scatter": _Plot("across", "up", lambda runs, x, y, ax: runs.plot.outcomes(x, y, ax=ax)),
    "Share of success": _Plot("by", "", lambda runs, x, y, ax: runs.plot.outcomes(x, ax=ax)),
    "Distribution of elapsed": _Plot("colour", "", lambda runs, x, y, ax: runs.plot.elapsed(_by(x), ax=ax)),
    "Parallel coordinates": _Plot("colour", "", lambda runs, x, y, ax: runs.plot.parallel(color=_by(x), ax=ax)),
    "Over time": _Plot("", "", lambda runs, x, y, ax: runs.plot.timeline(ax=ax)),
}


class PlotPane(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Choices of a plot and the plot.

    Args:
        changed: called after a choice: `html` is to be called, in a thread that has the time.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._offering = False
        self.kind = _dropdown("plot", list(_PLOTS))
        self.across = _dropdown("across")
        self.up = _dropdown("up")
        self.shown = ipywidgets.HTML()
        choices = ipywidgets.HBox([self.kind, self.across, self.up], layout={"flex_flow": "row wrap"})
        super().__init__([choices, self.shown])
        for control in (self.kind, self.across, self.up):
            control.observe(self._on_choice, "value")
            keep_order(control)

    def offer(self, frame: pd.DataFrame, telling: Sequence[str]) -> None:
        """Offer the columns of a runs frame: inputs and tags across, numbers up; first what tells most."""
        names = sorted(map(str, frame.columns), key=lambda name: name not in telling)
        numeric = {name for name in names if frame[name].dtype.kind in "iuf"}
        given = [name for name in names if name.startswith(("input", "tags"))]
        self._given = sorted(given, key=lambda name: (name not in telling, name not in numeric))
        self._numbers = [*(name for name in names if name.startswith("output") and name in numeric), "elapsed"]
        self._narrow()

    def _narrow(self, *, anew: bool = False) -> None:
        """Offer what the kind of plot takes; keep what is chosen, where it goes on, unless `anew`."""
        plot = _PLOTS[self.kind.value]
        across = [STATUS, *self._given] if plot.across == "colour" else [*self._given, "elapsed"]
        self._offering = True
        try:
            for control, name, offered in ((self.across, plot.across, across), (self.up, plot.up, self._numbers)):
                control.layout.display = None if name else "none"
                control.description = name or control.description
                if anew or list(control.options) != offered:
                    kept = control.value
                    control.options = offered
                    control.value = kept if kept in offered and not anew else offered[0]
        finally:
            self._offering = False

    def _on_choice(self, change: Any) -> None:
        if self._offering:
            return
        if change["owner"] is self.kind:
            self._narrow(anew=True)
        self._changed()

    def paint(self, runs: RunSet) -> None:
        """Draw the plot of runs.

        Raises:
            FgnbError: it can't be drawn, or matplotlib is not installed.
        """
        kind = self.kind.value
        plot, x, y = _PLOTS[kind], self.across.value, self.up.value
        wanted = [name for name, has in ((x, plot.across), (y, plot.up)) if has and name not in runs.frame.columns]
        if wanted:  # a part of the runs may have no such output at all
            told = f"None of these runs has {wanted[0]}: choose another column, or filter otherwise."
            self.shown.value = html.frame_box(html.muted(told), html.OTHER_COLOUR)
            return
        told = kind + (f" ({y} over {x})" if plot.up else f" ({plot.across} {x})" if plot.across else "")
        self.shown.value = plot_html(lambda ax: plot.draw(runs, x, y, ax), plot_alt(told, runs))


def _dropdown(description: str, options: Sequence[str] = ()) -> Any:
    # Each with a layout of its own, which hides it alone
    layout = {"width": "auto", "max_width": "320px"}
    return ipywidgets.Dropdown(
        options=options, description=description, layout=layout, style={"description_width": "initial"}
    )
